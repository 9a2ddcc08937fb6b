"""A gateway's process that has only the WhatsApp channel. Run as a script: HOME. It is killed as soon as a message is offered."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from fakes.channel_host import RecordingHost
from fakes.whatsapp_phone import Phone

from secondme.core.messages import Admission, InboundMessage


class FatalHost(RecordingHost):
    async def receive(self, message: InboundMessage) -> Admission:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(message.message_id)


asyncio.run(Phone(Path(sys.argv[1])).channel.run(FatalHost()))
