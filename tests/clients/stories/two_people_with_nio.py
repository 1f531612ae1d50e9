# SPDX-License-Identifier: Apache-2.0
"""Two people with matrix-nio: an encrypted room, text both ways, a thread, a file, edits, receipts, devices."""
import asyncio
import io
import json
import sys
import tempfile

import nio

given = json.loads(sys.argv[1])


def must(answer):
    """The answer, unless it is one of nio's errors."""
    if isinstance(answer, nio.ErrorResponse):
        raise RuntimeError(f"{type(answer).__name__}: {answer}")
    return answer


class Person:
    def __init__(self, who, store):
        config = nio.AsyncClientConfig(encryption_enabled=True, store_sync_tokens=True)
        self.client = nio.AsyncClient(given["base"], who["name"], device_id="", store_path=store, config=config)
        self.password = who["password"]
        self.heard = []
        self.client.add_event_callback(lambda room, event: self.heard.append(event), nio.Event)

    async def begin(self):
        must(await self.client.login(self.password, device_name="nio"))
        await self.sync()

    async def sync(self):
        must(await self.client.sync(timeout=0, full_state=False))
        if self.client.should_upload_keys:
            must(await self.client.keys_upload())
        if self.client.should_query_keys:
            must(await self.client.keys_query())

    async def until(self, what, wanted):
        for _ in range(100):
            found = [event for event in self.heard if wanted(event)]
            if found:
                return found[0]
            must(await self.client.sync(timeout=1000))
            if self.client.should_query_keys:
                must(await self.client.keys_query())
        raise RuntimeError(f"never heard: {what}; heard {self.heard}")

    async def say(self, room, body, **more):
        content = {"msgtype": "m.text", "body": body, **more}
        return must(await self.client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)).event_id


async def in_an_encrypted_room(alice, bob):
    lock = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
    room = must(await alice.client.room_create(name="nio", invite=[bob.client.user_id], initial_state=lock)).room_id
    must(await bob.client.join(room))
    await alice.sync()
    await bob.sync()
    return room


async def talk(alice, bob, room):
    first = await alice.say(room, "a secret")
    heard = await bob.until("a secret", lambda e: getattr(e, "body", None) == "a secret")
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": first, "is_falling_back": True, "m.in_reply_to": {"event_id": first}}}
    await bob.say(room, "in a thread", **thread)
    reply = await alice.until("in a thread", lambda e: getattr(e, "body", None) == "in a thread")
    must(await bob.client.room_read_markers(room, heard.event_id, heard.event_id))
    must(await bob.client.room_typing(room, True))
    return {"decrypted": heard.decrypted, "thread": reply.source["content"]["m.relates_to"]["rel_type"]}


async def share_a_file(alice, bob, room):
    data = bytes(range(256)) * 100
    upload, keys = await alice.client.upload(lambda *_: io.BytesIO(data), "application/octet-stream", "bytes", encrypt=True, filesize=len(data))
    must(upload)
    content = {"msgtype": "m.file", "body": "bytes", "info": {"size": len(data)}, "file": {**keys, "url": upload.content_uri}}
    must(await alice.client.room_send(room, "m.room.message", content, ignore_unverified_devices=True))
    event = await bob.until("a file", lambda e: isinstance(e, nio.RoomEncryptedFile))
    got = must(await bob.client.download(event.url))
    key = event.source["content"]["file"]
    return nio.crypto.attachments.decrypt_attachment(got.body, key["key"]["k"], key["hashes"]["sha256"], key["iv"]) == data


async def look_around(alice, room):
    """Answers that nio reads with schemas of its own, members that must be there included."""
    page = must(await alice.client.room_messages(room, limit=100))
    must(await alice.client.set_displayname("Alice with nio"))
    return {
        "devices": len(must(await alice.client.devices()).devices),
        "members": len(must(await alice.client.joined_members(room)).members),
        "state": len(must(await alice.client.room_get_state(room)).events),
        "messages": len(page.chunk),
        "profile": must(await alice.client.get_profile()).displayname,
        "rooms": must(await alice.client.joined_rooms()).rooms,
    }


async def main():
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        alice, bob = Person(given["alice"], a), Person(given["bob"], b)
        try:
            await alice.begin()
            await bob.begin()
            room = await in_an_encrypted_room(alice, bob)
            said = {"room": room, **await talk(alice, bob, room), "file": await share_a_file(alice, bob, room), **await look_around(alice, room)}
            must(await bob.client.logout())
            print(json.dumps(said))
        finally:
            await alice.client.close()
            await bob.client.close()


asyncio.run(main())
