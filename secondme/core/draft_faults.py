"""Why a draft cannot leave as it is, in words: the kinds of fault that the checks of replies find."""


def only_in_own_words(fault: str) -> str:
    """Why a draft with this fault cannot leave as it is, in a sentence."""
    return f"It can leave only in your own words: {_FAULTS.get(fault, fault.replace('_', ' '))}."


_FAULTS = {
    "tool_trace": "it speaks of tools, or as a program does",
    "error_text": "it reads like the error of a program",
    "prompt_leak": "it tells what the model was told",
    "wrong_role": "it speaks for somebody else, or about itself",
    "denial": "it says that no machine is speaking",
    "not_admitted": "they asked whether a machine is speaking, and it does not say so",
    "advice": "it gives medical or financial advice",
    "foreign_id": "it names somebody who is not this contact",
    "markup": "it has markup in it that no person types",
    "cut_short": "the model stopped before it had said everything",
    "empty": "there is nothing in it",
    "too_long": "it is too long",
}
