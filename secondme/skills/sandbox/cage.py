"""The cage: limits, no privileges, Landlock where the kernel has it, and a filter of system calls. Entered by a process for itself.

The order matters: each step still needs what the next one takes away. Linux only, and only the standard library: the zygote has no
other. Numbers are those of the kernel's headers, whose names stand beside them.
"""

import ctypes
import os
import resource
import signal
import struct

from secondme.skills.sandbox.filters import sealed_filter, this_machine

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF, _LANDLOCK_VERSION = 444, 446, 1
_FILES_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights over files an ABI knows; every later one knows 16 (linux/landlock.h)."""
_NETWORK_ABI, _SCOPE_ABI = 4, 6
_BIND_AND_CONNECT = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3

_DESCRIPTORS = 32
_STACK_BYTES = 8 << 20
"""What Python's limit of recursion is made for."""


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def enter(*, memory_bytes: int, cpu_s: int, with_landlock: bool = True) -> None:
    """From now on the process can compute, wait, and use the descriptors it has; what it opens is refused. There is no way back.

    Standard output must not be a file any more: nothing can be written to one. Raises OSError when the process is not confined; it must
    then end without running anything.
    """
    program = sealed_filter(this_machine(), os.getpid())
    set_limits(memory_bytes, cpu_s)
    forbid_new_privileges()
    _drop_capabilities()
    if with_landlock:
        _restrict_by_landlock()
    load_filter(program)
    if _can_look():  # what takes a filter and does not apply it is found here, not by a skill
        raise OSError("the filter is not applied")


def set_limits(memory_bytes: int, cpu_s: int) -> None:
    """The process has at most this much address space and time on a CPU, few descriptors, and writes no file. Root has no more."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_STACK: _STACK_BYTES,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, value in limits.items():
        highest = resource.getrlimit(limit)[1]
        value = value if highest == resource.RLIM_INFINITY else min(value, highest)  # noqa: PLW2901  it may be lower already, never higher
        resource.setrlimit(limit, (value, value))


def forbid_new_privileges() -> None:
    """No program that this process executes has more rights than it. Repeatable; a filter and a rule set demand it of everybody but root."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def load_filter(program: bytes) -> None:
    """The filter holds for this thread and all that it starts. Raises OSError when the kernel has no such filters, or takes none."""
    forbid_new_privileges()
    code = ctypes.create_string_buffer(program, len(program))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(program) // 8, ctypes.addressof(code))))


def die_with_parent(parent: int) -> None:
    """The kernel kills this process when the *thread* that started it ends. Ends at once if `parent` is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def hide() -> None:
    """No other process of the same user can read this one's memory or take its descriptors, and it leaves no core."""
    _prctl(_PR_SET_DUMPABLE, 0)


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers; 0 where it has none. Asked of the kernel: WSL2 has it and no file that says so."""
    return max(0, _syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_VERSION)))


def _restrict_by_landlock() -> None:
    """A rule set that handles all that this kernel's Landlock knows and allows nothing. Where it has none, the filter is the wall."""
    abi = landlock_abi()
    if not abi:
        return
    fields = [(1 << _FILES_BY_ABI.get(abi, 16)) - 1]
    if abi >= _NETWORK_ABI:
        fields.append(_BIND_AND_CONNECT)
    if abi >= _SCOPE_ABI:
        fields.append(_ABSTRACT_SOCKETS_AND_SIGNALS)
    size = 8 * len(fields)
    rules = ctypes.create_string_buffer(struct.pack(f"={len(fields)}Q", *fields), size)
    descriptor = _checked(_syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0)))
    _checked(_syscall(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(descriptor), ctypes.c_uint32(0)))
    os.close(descriptor)


def _drop_capabilities() -> None:
    """Not only root's: a container may give some to anybody."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    none = ctypes.create_string_buffer(24)
    _checked(_syscall(_CAPSET[this_machine()], ctypes.byref(header), ctypes.byref(none)))


def _can_look() -> bool:
    """Landlock does not refuse this; only the filter does."""
    try:
        os.stat("/")  # noqa: PTH116  the call itself is what is tried
    except OSError:
        return False
    return True


def _prctl(option: int, value: int, pointer: object = 0) -> None:
    third = ctypes.c_ulong(pointer) if isinstance(pointer, int) else pointer
    _checked(_LIBC.prctl(option, ctypes.c_ulong(value), third, ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _syscall(number: int, *arguments: object) -> int:
    result: int = _LIBC.syscall(ctypes.c_long(number), *arguments)
    return result


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
