# SPDX-License-Identifier: Apache-2.0
"""Somebody with matrix-nio invites a bot to an encrypted room, says one thing and prints what the bot answers."""
import asyncio
import json
import sys
import tempfile

import nio

given = json.loads(sys.argv[1])


async def main():
    config = nio.AsyncClientConfig(encryption_enabled=True)
    with tempfile.TemporaryDirectory() as store:
        client = nio.AsyncClient(given["base"], given["alice"]["name"], store_path=store, config=config)
        answers, joined = [], asyncio.Event()
        client.add_event_callback(lambda room, event: answers.append(event), nio.RoomMessageText)
        client.add_event_callback(lambda room, event: joined.set() if event.sender == given["bot"]["id"] and event.membership == "join" else None, nio.RoomMemberEvent)
        await client.login(given["alice"]["password"])
        lock = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        room = (await client.room_create(invite=[given["bot"]["id"]], initial_state=lock)).room_id
        loop = asyncio.create_task(client.sync_forever(timeout=1000, full_state=True))
        await asyncio.wait_for(joined.wait(), 60)
        content = {"msgtype": "m.text", "body": given["say"]}
        await client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
        for _ in range(600):
            said = [e for e in answers if e.sender == given["bot"]["id"]]
            if said:
                print(json.dumps({"body": said[0].body, "decrypted": said[0].decrypted}))
                break
            await asyncio.sleep(0.1)
        else:
            raise RuntimeError(f"the bot did not answer; heard {answers}")
        loop.cancel()
        await client.close()


asyncio.run(main())
