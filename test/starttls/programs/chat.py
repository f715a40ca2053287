"""Logs in with slixmpp, over STARTTLS: chat.py JID PASSWORD PORT CA."""

import asyncio
import sys

import slixmpp

jid, password, port, authority = sys.argv[1:]


class Client(slixmpp.ClientXMPP):
    def __init__(self) -> None:
        super().__init__(jid, password)
        self.ca_certs = authority
        self.add_event_handler("session_start", lambda _: self.end("logged in"))
        self.add_event_handler("failed_all_auth", lambda _: self.end("not let in"))

    def end(self, told: str) -> None:
        print(told)
        self.disconnect()


async def main() -> None:
    client = Client()
    client.connect(slixmpp.JID(jid).domain, int(port))
    await asyncio.wait_for(client.disconnected, 30)


asyncio.run(main())
