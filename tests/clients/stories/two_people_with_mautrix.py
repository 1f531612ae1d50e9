# SPDX-License-Identifier: Apache-2.0
"""Two people with mautrix-python, on which bridges stand: an encrypted room, a reply, a reaction, an edit, a picture, state."""
import asyncio
import json
import sys

from mautrix.client import Client, MemorySyncStore
from mautrix.client.state_store import MemoryStateStore as ClientStateStore
from mautrix.crypto import MemoryCryptoStore, OlmMachine
from mautrix.crypto.attachments import decrypt_attachment, encrypt_attachment
from mautrix.types import EncryptionAlgorithm, EventType, MessageType, TextMessageEventContent, TrustState

given = json.loads(sys.argv[1])


class StateStore(ClientStateStore):
    """What the machine asks of it beside."""

    async def is_encrypted(self, room_id):
        return await self.get_encryption_info(room_id) is not None

    async def find_shared_rooms(self, user_id):
        return [room for room, members in self.members.items() if user_id in members]


class Person:
    def __init__(self, who):
        self.heard = asyncio.Queue()
        self.client = Client(mxid=who["id"], device_id=who["device"], token=who["token"], base_url=given["base"], sync_store=MemorySyncStore(), state_store=StateStore())
        self.client.crypto = OlmMachine(self.client, MemoryCryptoStore(who["id"], "key"), self.client.state_store)
        self.client.crypto.send_keys_min_trust = TrustState.UNVERIFIED
        self.client.crypto.share_keys_min_trust = TrustState.UNVERIFIED
        for kind in (EventType.ROOM_MESSAGE, EventType.REACTION, EventType.ROOM_TOPIC):
            self.client.add_event_handler(kind, self.heard.put)

    async def begin(self):
        await self.client.crypto.load()
        await self.client.crypto.share_keys()
        self.client.start(None)

    async def hear(self, wanted):
        while True:
            event = await asyncio.wait_for(self.heard.get(), 60)
            if event.sender != self.client.mxid and wanted(event):
                return event


def text(body):
    return lambda event: getattr(event.content, "body", None) == body


async def talk(alice, bob, room):
    first = await alice.client.send_message(room, TextMessageEventContent(msgtype=MessageType.TEXT, body="a secret"))
    heard = await bob.hear(text("a secret"))
    answer = TextMessageEventContent(msgtype=MessageType.TEXT, body="an answer")
    answer.set_reply(heard)
    await bob.client.send_message(room, answer)
    reply = await alice.hear(lambda event: event.content.get_reply_to() == first)
    await bob.client.react(room, first, "👍")
    reaction = await alice.hear(lambda event: event.type == EventType.REACTION)
    changed = TextMessageEventContent(msgtype=MessageType.TEXT, body="a better secret")
    changed.set_edit(first)
    await alice.client.send_message(room, changed)
    edit = await bob.hear(lambda event: event.content.get_edit() == first)
    return {"room": room, "reply": reply.content.body, "reaction": reaction.content.relates_to.key, "edit": edit.content.body}


async def share_a_picture(alice, bob):
    data = bytes(range(256)) * 64
    encrypted, file = encrypt_attachment(data)
    file.url = await alice.client.upload_media(encrypted, mime_type="application/octet-stream", filename="bytes")
    got = await bob.client.download_media(file.url)
    return decrypt_attachment(got, file.key.key, file.hashes["sha256"], file.iv) == data


async def main():
    alice, bob = Person(given["alice"]), Person(given["bob"])
    lock = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room = await alice.client.create_room(name="mautrix", invitees=[bob.client.mxid], initial_state=[lock])
    await bob.client.join_room(room)
    await alice.client.state_store.set_encryption_info(room, await alice.client.get_state_event(room, EventType.ROOM_ENCRYPTION))
    await bob.client.state_store.set_encryption_info(room, await bob.client.get_state_event(room, EventType.ROOM_ENCRYPTION))
    for person in (alice, bob):
        await person.client.state_store.set_members(room, await person.client.get_joined_members(room))
        await person.begin()
    said = {**await talk(alice, bob, room), "file": await share_a_picture(alice, bob)}
    await alice.client.send_state_event(room, EventType.ROOM_TOPIC, {"topic": "a topic"})
    said["topic"] = (await bob.hear(lambda event: event.type == EventType.ROOM_TOPIC)).content.topic
    said["state"] = len(await bob.client.get_state(room))
    for person in (alice, bob):
        person.client.stop()
        await person.client.api.session.close()
    print(json.dumps(said))


asyncio.run(main())
