# SPDX-License-Identifier: Apache-2.0
"""A plug-in of maubot: says again what follows `!echo`."""
from maubot import MessageEvent, Plugin
from maubot.handlers import command


class EchoBot(Plugin):
    @command.new("echo")
    @command.argument("words", pass_raw=True)
    async def echo(self, event: MessageEvent, words: str) -> None:
        await event.client.send_text(event.room_id, words)
