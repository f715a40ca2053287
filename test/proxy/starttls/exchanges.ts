import type { StarttlsName } from "../../../src/proxy/starttls/protocols.ts"

/** A prelude's part: which protocol, and which peer it speaks to. */
export interface Role {
  readonly protocol: StarttlsName
  readonly side: "client" | "backend"
}

const PROTOCOLS: readonly StarttlsName[] = ["postgres", "smtp", "imap", "pop3", "ldap", "xmpp", "xmpp-server"]

/** Both parts of every protocol. */
export const ROLES: readonly Role[] = PROTOCOLS.flatMap((protocol) => [
  { protocol, side: "client" },
  { protocol, side: "backend" },
])

const TLS = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
const STREAMS = "xmlns:stream='http://etherx.jabber.org/streams'"
const text = (...lines: readonly string[]) => lines.map((line) => Buffer.from(line, "latin1"))
const hex = (...messages: readonly string[]) =>
  messages.map((message) => Buffer.from(message.replaceAll(" ", ""), "hex"))

/** Things that peers really say, of every protocol, one message each. */
export const EXCHANGES: readonly Buffer[] = [
  // PostgreSQL: SSLRequest, GSSENCRequest, CancelRequest, a StartupMessage, the answers.
  ...hex("00000008 04d2162f", "00000008 04d21630", "00000010 04d2162e 00000001 00000002"),
  ...hex("00000013 00030000 75736572 00 6a6f65 0000 00"),
  ...text("S", "N", "E"),
  // SMTP
  ...text("EHLO a.example\r\n", "STARTTLS\r\n", "MAIL FROM:<a@b.example>\r\n", "NOOP\r\n", "QUIT\r\n"),
  ...text(
    "220 mx.example ESMTP\r\n",
    "250-mx.example\r\n",
    "250-STARTTLS\r\n",
    "250 SIZE\r\n",
    "220 go\r\n",
    "454 no\r\n",
  ),
  // IMAP
  ...text(
    "a CAPABILITY\r\n",
    "b STARTTLS\r\n",
    "c LOGIN x y\r\n",
    "d LOGIN {3}\r\n",
    "e LOGIN {3+}\r\n",
    "f LOGOUT\r\n",
  ),
  ...text(
    "* OK ready\r\n",
    "* PREAUTH ready\r\n",
    "* BYE\r\n",
    "starttls OK go\r\n",
    "starttls BAD\r\n",
    "starttls NO\r\n",
  ),
  // POP3
  ...text("CAPA\r\n", "STLS\r\n", "USER joe\r\n", "+OK\r\n", "-ERR\r\n"),
  // LDAP: StartTLS, anonymous bind, unbinding, abandonment; success and refusal.
  ...hex("301d 020101 7718 8016 312e332e362e312e342e312e313436362e3230303337"),
  ...hex("300c 020102 6007 020103 0400 8000", "3005 020103 4200", "3006 020104 500101"),
  ...hex("300c 020101 7807 0a0100 0400 0400", "300c 020101 7807 0a0102 0400 0400", "300c 020100 7807 0a0134 0400 0400"),
  // XMPP
  ...text("<?xml version='1.0'?>", `<stream:stream to='a.example' version='1.0' xmlns='jabber:client' ${STREAMS}>`),
  ...text(`<stream:stream version='1.0' xmlns='jabber:server' ${STREAMS}>`, `<starttls ${TLS}/>`, `<starttls ${TLS}>`),
  ...text("</starttls>", "<stream:features>", "</stream:features>", `<proceed ${TLS}/>`, `<failure ${TLS}/>`),
  ...text("<stream:error>", "<host-unknown/>", "</stream:stream>", "<auth>", " ", "\n"),
  // The beginning of a ClientHello.
  ...hex("16 03 01 02 00 01"),
]
