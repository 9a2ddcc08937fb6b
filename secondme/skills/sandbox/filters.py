"""Filters of system calls: what a sealed skill may do, and what a foreign program may not.

A filter is a classic BPF program for seccomp (Linux, Documentation/userspace-api/seccomp_filter.rst), here as bytes: eight an instruction.
Numbers are those of asm/unistd_64.h and asm-generic/unistd.h; a test compares them. Only the standard library: the zygote has no other.
"""

import errno
import functools
import os
import struct

_SEALED = """
    read=0/63 write=1/64 readv=19/65 writev=20/66 close=3/57 close_range=436/436 fstat=5/80 lseek=8/62 pread64=17/67
    dup=32/23 dup2=33/- dup3=292/24 pipe=22/- pipe2=293/59 poll=7/- ppoll=271/73 select=23/- pselect6=270/72
    mmap=9/222 mprotect=10/226 munmap=11/215 mremap=25/216 madvise=28/233 brk=12/214 membarrier=324/283
    rt_sigaction=13/134 rt_sigprocmask=14/135 rt_sigreturn=15/139 sigaltstack=131/132 restart_syscall=219/128 pause=34/-
    futex=202/98 sched_yield=24/124 sched_getaffinity=204/123 getcpu=309/168
    gettid=186/178 getpid=39/172 getppid=110/173 getuid=102/174 geteuid=107/175 getgid=104/176 getegid=108/177
    getrlimit=97/163 getrusage=98/165 times=100/153 exit=60/93 exit_group=231/94
    gettimeofday=96/169 clock_gettime=228/113 clock_getres=229/114 clock_nanosleep=230/115 nanosleep=35/101 getrandom=318/278
    recvfrom=45/207 sendto=44/206 shutdown=48/210 getsockname=51/204 getpeername=52/205 getsockopt=55/209
"""
"""What Python needs to compute, wait and use a connection it already has. Missing are threads, which no limit counts: in 256 MB there is room
for thousands, whose kernel memory is nobody's; `sendmsg`, and with it the passing of descriptors; and `uname`, because a host's name
is often its owner's."""
_CHECKED = "socketpair=53/199 prlimit64=302/261 fcntl=72/25 ioctl=16/29 prctl=157/167"
"""What depends on its arguments."""
_SIGNALS = "kill=62/129 tgkill=234/131"
_FOREIGN = """
    io_uring_setup=425/425 io_uring_enter=426/426 io_uring_register=427/427 ptrace=101/117 process_vm_readv=310/270
    process_vm_writev=311/271 process_madvise=440/440 kcmp=312/272 pidfd_getfd=438/438 move_pages=279/239 migrate_pages=256/238
    bpf=321/280 perf_event_open=298/241 userfaultfd=323/282 keyctl=250/219 add_key=248/217 request_key=249/218 unshare=272/97
    setns=308/268 mount=165/40 umount2=166/39 pivot_root=155/41 chroot=161/51 open_tree=428/428 move_mount=429/429
    fsopen=430/430 fsconfig=431/431 fsmount=432/432 fspick=433/433 mount_setattr=442/442 kexec_load=246/104
    kexec_file_load=320/294 init_module=175/105 finit_module=313/273 delete_module=176/106 name_to_handle_at=303/264
    open_by_handle_at=304/265 fanotify_init=300/262 fanotify_mark=301/263 shmget=29/194 shmat=30/196 shmctl=31/195
    msgget=68/186 semget=64/190 mq_open=240/180 mq_unlink=241/181 lookup_dcookie=212/18 quotactl=179/60 quotactl_fd=443/443
    acct=163/89 swapon=167/224 swapoff=168/225 reboot=169/142 settimeofday=164/170 clock_settime=227/112
    clock_adjtime=305/266 adjtimex=159/171 iopl=172/- ioperm=173/- syslog=103/116 personality=135/92 modify_ldt=154/-
    vhangup=153/58 mknod=133/- mknodat=259/33 setpriority=141/140 sched_setattr=314/274 sched_setscheduler=144/119
    sched_setparam=142/118 memfd_secret=447/447 sethostname=170/161 setdomainname=171/162 uselib=134/-
"""
"""What opens the kernel, the machine or another process to a program that we did not write."""
_FOREIGN_CHECKED = "clone=56/220 clone3=435/435 socket=41/198 ioctl=16/29"

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""By the name that `uname` gives: what seccomp calls the machine (`AUDIT_ARCH_*` of linux/audit.h)."""

_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
"""`SECCOMP_RET_ALLOW`, `_KILL_PROCESS` and `_ERRNO`, which the error's number is added to."""
_EPERM, _ENOSYS, _ENOTTY = _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS, _REFUSE | errno.ENOTTY
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
"""Where they are in `struct seccomp_data`; an argument has eight bytes, the low half first on both machines."""
_X32 = 0x40000000
"""Set in the numbers of a second set of system calls on x86_64, which the tables do not know."""

_CLONE_NAMESPACES = 0x7E020000
_AF_UNIX, _AF_INET, _AF_INET6, _SOCK_STREAM, _SOCK_RAW, _SOCK_TYPE = 1, 2, 10, 1, 3, 0xF
_FCNTL = (0, 1, 2, 3, 4, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC; not F_SETOWN, by which a signal reaches any process."""
_IOCTL = (0x5401, 0x541B, 0x5450, 0x5451, 0x5421)
"""TCGETS, FIONREAD, FIONCLEX, FIOCLEX, FIONBIO; not TIOCSTI, which types into a terminal."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_PRCTL = (15, 16)
"""PR_SET_NAME, PR_GET_NAME."""


def numbers(machine: str) -> dict[str, int]:
    """Every system call of the tables by name, as the machine numbers it. Raises OSError (ENOSYS) for a machine without a table."""
    return {
        name: number
        for table in (_SEALED, _CHECKED, _SIGNALS, _FOREIGN, _FOREIGN_CHECKED)
        for name, number in _numbers(table, machine).items()
    }


def _numbers(table: str, machine: str) -> dict[str, int]:
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    column = list(MACHINES).index(machine)
    pairs = (entry.split("=") for entry in table.split())
    return {name: int(each[column]) for name, text in pairs if (each := text.split("/"))[column] != "-"}


def sealed_filter(machine: str, pid: int) -> bytes:
    """Everything is refused but what a process that computes needs: no file, socket, program, process or thread can be had.

    `pid` is the process that will load it, and the only one it can send signals to.
    """
    to_itself = _one_of(0, (pid,), _EPERM)
    cases = dict.fromkeys(_numbers(_SIGNALS, machine).values(), to_itself)
    return _sealed_beginning(machine) + _cases(cases) + _result(_EPERM)


@functools.cache
def _sealed_beginning(machine: str) -> bytes:
    """What is the same for every process: the zygote has it ready for its children."""
    checked = {
        # a datagram socket could send to any path or abstract name
        "socketpair": [
            *(_argument(0), _instruction(_EQUAL, _AF_UNIX, 1, 0), _result(_EPERM)),
            *(_argument(1), _instruction(_AND, _SOCK_TYPE), _instruction(_EQUAL, _SOCK_STREAM, 1, 0)),
            *(_result(_EPERM), _result(_ALLOW)),
        ],
        # its own limits, to read: the new ones are a null pointer, in both halves
        "prlimit64": [
            *(_argument(0), _instruction(_EQUAL, 0, 1, 0), _result(_EPERM)),
            *(_argument(2), _instruction(_EQUAL, 0, 1, 0), _result(_EPERM)),
            *(_argument(2, high=True), _instruction(_EQUAL, 0, 1, 0), _result(_EPERM), _result(_ALLOW)),
        ],
        "fcntl": _one_of(1, _FCNTL, _EPERM),
        "ioctl": _one_of(1, _IOCTL, _ENOTTY),
        "prctl": _one_of(0, _PRCTL, _EPERM),
    }
    cases = {number: [_result(_ALLOW)] for number in _numbers(_SEALED, machine).values()}
    return _prologue(machine) + _cases(cases | {number: checked[name] for name, number in _numbers(_CHECKED, machine).items()})


def foreign_filter(machine: str) -> bytes:
    """Everything is allowed but what opens the kernel or reaches other processes: the second wall of a program in bubblewrap.

    Sockets are unix, IPv4 and IPv6 without raw ones; it belongs into a network namespace of its own.
    """
    cases = {number: [_result(_EPERM)] for number in _numbers(_FOREIGN, machine).values()}
    number = _numbers(_FOREIGN_CHECKED, machine)
    cases[number["clone"]] = [
        *(_argument(0), _instruction(_ANY_BIT, _CLONE_NAMESPACES, 0, 1), _result(_EPERM), _result(_ALLOW)),
    ]
    # its flags are in memory, where a filter cannot look: the C library falls back to clone
    cases[number["clone3"]] = [_result(_ENOSYS)]
    cases[number["socket"]] = [
        *(_argument(0), _instruction(_EQUAL, _AF_UNIX, 3, 0), _instruction(_EQUAL, _AF_INET, 2, 0)),
        *(_instruction(_EQUAL, _AF_INET6, 1, 0), _result(_EPERM), _argument(1), _instruction(_AND, _SOCK_TYPE)),
        *(_instruction(_EQUAL, _SOCK_RAW, 0, 1), _result(_EPERM), _result(_ALLOW)),
    ]
    cases[number["ioctl"]] = [
        *(_argument(1), _instruction(_EQUAL, _TIOCSTI, 1, 0), _instruction(_EQUAL, _TIOCLINUX, 0, 1)),
        *(_result(_EPERM), _result(_ALLOW)),
    ]
    return _prologue(machine) + _cases(cases) + _result(_ALLOW)


def this_machine() -> str:
    """The machine's name as the tables know it."""
    return os.uname().machine


def _prologue(machine: str) -> bytes:
    """What is called by another machine's convention is killed first: its numbers mean other calls."""
    return b"".join(
        (
            *(_instruction(_LOAD, _ARCH), _instruction(_EQUAL, MACHINES[machine], 1, 0), _result(_KILL)),
            *(_instruction(_LOAD, _NUMBER), _instruction(_AT_LEAST, _X32, 0, 1), _result(_KILL)),
        )
    )


def _cases(answers: dict[int, list[bytes]]) -> bytes:
    """By the call's number, what decides about it. Each ends with a result: what comes after it is for other calls."""
    return b"".join(b"".join((_instruction(_EQUAL, number, 0, len(answer)), *answer)) for number, answer in answers.items())


def _one_of(argument: int, values: tuple[int, ...], refusal: int) -> list[bytes]:
    """Allowed with one of the values. The low half decides: the kernel takes these arguments as 32 bits."""
    tests = [step for value in values for step in (_instruction(_EQUAL, value, 0, 1), _result(_ALLOW))]
    return [_argument(argument), *tests, _result(refusal)]


def _argument(index: int, *, high: bool = False) -> bytes:
    return _instruction(_LOAD, _ARGUMENTS + 8 * index + (4 if high else 0))


def _result(value: int) -> bytes:
    return _instruction(_RETURN, value)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """A `struct sock_filter`; the jumps count the instructions that are left out."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
