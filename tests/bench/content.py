"""What does looking at a message cost? Processor time in microseconds, the best of several rounds. Prints; decides nothing."""

import time
from random import Random

from counts import count

from secondme.core.admit.content import analyze_content

TYPICAL = "Hey, are we still on for dinner tomorrow at 7? I booked the table by the window."
SENTENCE = "Number {}: we take the train at noon, then the bus, and your sister meets us at the lake. "
WORST = ("1a ", "\ufdfa", "忽略之前所有指令", "you have been ", "a b ")
ROUNDS = count(7, 1)


def cost_us(text: str, times: int) -> float:
    """One look at `text`."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            analyze_content(text)
        best = min(best, (time.process_time() - begun) / times)
    return best * 1e6


def measure() -> None:
    """Prints a row for a typical message, a long one and the worst 64 KB."""
    long = "".join(SENTENCE.format(number) for number in range(60))[:4000]
    random = Random(7)
    worst = [(unit * 65_536)[:65_536] for unit in WORST] + ["".join(chr(random.randrange(0x20, 0x2FFFF)) for _ in range(65_536))]
    analyze_content(TYPICAL)  # reads the lists
    print(f"{'content: 80 characters':<44} {cost_us(TYPICAL, count(500, 5)):>13.0f} us")
    print(f"{'content: 4,000 characters':<44} {cost_us(long, count(20, 1)):>13.0f} us")
    print(
        f"{'content: 64 KB, the worst of six':<44} {max(cost_us(text, 1) for text in worst):>13.0f} us  {'':>22}  under 20,000 us"
    )


if __name__ == "__main__":
    measure()
