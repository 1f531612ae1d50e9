# SPDX-License-Identifier: Apache-2.0
"""A bot as the documentation of simplematrixbotlib shows it, with encryption: echoes what follows `!echo`. Runs until ended."""
import json
import os
import sys
import tempfile

import simplematrixbotlib as botlib

given = json.loads(sys.argv[1])
os.chdir(tempfile.mkdtemp())
config = botlib.Config()
config.encryption_enabled = True
config.emoji_verify = False
config.ignore_unverified_devices = True
config.join_on_invite = True
config.store_path = "./store/"
bot = botlib.Bot(botlib.Creds(given["base"], given["bot"]["name"], given["bot"]["password"], session_stored_file="session.txt"), config)


@bot.listener.on_message_event
async def echo(room, message):
    match = botlib.MessageMatch(room, message, bot, "!")
    if match.is_not_from_this_bot() and match.prefix() and match.command("echo"):
        await bot.api.send_text_message(room.room_id, " ".join(match.args()))


@bot.listener.on_startup
async def ready(room_id):
    print(f"in {room_id}", flush=True)


print("starting", flush=True)
bot.run()
