"""`/api/channels`: where people write, how each of those places stands, and what the owner wants of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from secondme.core.api.routing import Can, answers
from secondme.core.api.states import ChannelList, ChannelSteered
from secondme.core.errors import NotFoundError

channels = APIRouter(prefix="/api/channels", tags=["channels"])

_Channel = Annotated[str, Path(alias="channel", min_length=2, max_length=32, pattern="^[a-z][a-z0-9_]+$", examples=["telegram"])]


@channels.get("", responses=answers(), response_model=ChannelList)
async def list_channels(can: Can) -> Any:  # JSON values, described by ChannelList
    """Every channel there is, with its state and what passed through it since its gateway started."""
    return {"channels": [facts.to_dict() for facts in (await can.overview()).channels]}


@channels.post("/{channel}/pause", responses=answers(404))
async def pause_channel(can: Can, channel: _Channel) -> ChannelSteered:
    """Nobody on this channel is answered until resumed; what they write is kept."""
    await _known(can, channel)
    await can.steering.pause_channel(channel)
    return ChannelSteered(id=channel, outcome="paused")


@channels.post("/{channel}/resume", responses=answers(404))
async def resume_channel(can: Can, channel: _Channel) -> ChannelSteered:
    """This channel's contacts are answered again."""
    await _known(can, channel)
    return ChannelSteered(id=channel, outcome=await can.steering.resume_channel(channel))


@channels.post("/{channel}/connect", responses=answers(404))
async def connect_channel(can: Can, channel: _Channel) -> ChannelSteered:
    """The channel runs, if it is linked; one that runs is started anew. Linking itself needs the terminal."""
    await _known(can, channel)
    await can.steering.connect_channel(channel, on=True)
    return ChannelSteered(id=channel, outcome="connected")


@channels.post("/{channel}/disconnect", responses=answers(404))
async def disconnect_channel(can: Can, channel: _Channel) -> ChannelSteered:
    """The channel does not run until connected again."""
    await _known(can, channel)
    await can.steering.connect_channel(channel, on=False)
    return ChannelSteered(id=channel, outcome="disconnected")


async def _known(can: Can, channel: str) -> None:
    if channel not in {facts.id for facts in (await can.overview()).channels}:
        raise NotFoundError("unknown_channel", "There is no channel called that.", "secondme channels list")
