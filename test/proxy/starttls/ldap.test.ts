import { describe, expect, test } from "vitest"
import { ldap } from "../../../src/proxy/starttls/ldap.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => ldap.toClient(CONTEXT)
const server = () => ldap.toBackend({ ...CONTEXT, serverName: "ldap.example" })

const START_TLS = "1.3.6.1.4.1.1466.20037"
const DISCONNECTION = "1.3.6.1.4.1.1466.20036"

/** BER by hand: tag, length in one byte, content. */
function ber(tag: number, ...contents: readonly (Uint8Array | string)[]): Buffer {
  const content = Buffer.concat(contents.map((each) => Buffer.from(each as string)))
  expect(content.length).toBeLessThan(128)
  return Buffer.concat([Buffer.from([tag, content.length]), content])
}
const message = (id: number, ...parts: readonly Uint8Array[]) => ber(0x30, ber(0x02, Uint8Array.of(id)), ...parts)
const startTls = (id = 1) => message(id, ber(0x77, ber(0x80, START_TLS)))
const result = (tag: number, code: number, text = "", name?: string) =>
  ber(tag, ber(0x0a, Uint8Array.of(code)), ber(0x04), ber(0x04, text), ...(name === undefined ? [] : [ber(0x8a, name)]))
const controls = (...each: readonly Uint8Array[]) => ber(0xa0, ...each)
const control = (type: string, criticality?: number, value?: string) =>
  ber(
    0x30,
    ber(0x04, type),
    ...(criticality === undefined ? [] : [ber(0x01, Uint8Array.of(criticality))]),
    ...(value === undefined ? [] : [ber(0x04, value)]),
  )
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1")
const REQUIRED = "TLS is required: StartTLS first"

describe("a client that speaks LDAP", () => {
  test("is given StartTLS (RFC 4511 section 4.14.2)", () => {
    expect(talk(client(), startTls(7))).toMatchObject({
      told: [text(message(7, result(0x78, 0, "", START_TLS)))],
      end: "tls",
    })
  })

  test.each([
    ["a bind (section 4.2)", 0x60, 0x61],
    ["a search (section 4.5)", 0x63, 0x65],
    ["a modification (section 4.6)", 0x66, 0x67],
    ["an addition (section 4.7)", 0x68, 0x69],
    ["a deletion (section 4.8)", 0x4a, 0x6b],
    ["a modification of a DN (section 4.9)", 0x6c, 0x6d],
    ["a comparison (section 4.10)", 0x6e, 0x6f],
  ])("gets confidentialityRequired for %s (RFC 4511 section 4.1.9)", (_, request, response) => {
    expect(talk(client(), message(2, ber(request, "content")), startTls(3))).toMatchObject({
      told: [text(message(2, result(response, 13, REQUIRED))), text(message(3, result(0x78, 0, "", START_TLS)))],
      end: "tls",
    })
  })

  test.each([
    [
      "another extended operation (section 4.12)",
      message(2, ber(0x77, ber(0x80, "1.3.6.1.4.1.4203.1.11.3"))),
      [message(2, result(0x78, 13, REQUIRED))],
      "more",
    ],
    [
      "StartTLS with a value (section 4.14.1)",
      message(2, ber(0x77, ber(0x80, START_TLS), ber(0x81, "x"))),
      [message(2, result(0x78, 2, "StartTLS takes no value"))],
      "more",
    ],
    [
      "StartTLS with a critical control (section 4.1.11)",
      message(2, ber(0x77, ber(0x80, START_TLS)), controls(control("1.2.3"), control("1.2.4", 0xff))),
      [message(2, result(0x78, 12, "StartTLS takes no controls"))],
      "more",
    ],
    [
      "StartTLS with controls to be passed over, as JNDI sends one (section 4.1.11)",
      message(
        2,
        ber(0x77, ber(0x80, START_TLS)),
        controls(control("2.16.840.1.113730.3.4.2"), control("1.2.3", 0), control("1.2.4", undefined, "value")),
      ),
      [message(2, result(0x78, 0, "", START_TLS))],
      "tls",
    ],
    [
      "StartTLS with no controls in their place",
      message(2, ber(0x77, ber(0x80, START_TLS)), controls()),
      [message(2, result(0x78, 0, "", START_TLS))],
      "tls",
    ],
    ["an abandonment, which has no answer (section 4.11)", message(2, ber(0x50, Uint8Array.of(1))), [], "more"],
    ["an unbinding, which has no answer (section 4.3)", message(2, ber(0x42)), [], "STARTTLS_QUIT"],
  ])("gets the answer due to %s", (_, said, told, end) => {
    expect(talk(client(), said)).toMatchObject({ told: [text(Buffer.concat(told))], end })
  })

  test.each([
    ["1 byte", [1]],
    ["1 byte, all bits set", [0x7f]],
    ["2 bytes, for the sign", [0, 0x80]],
    ["2 bytes", [0x01, 0]],
    ["3 bytes, for the sign", [0, 0xff, 0xff]],
    ["3 bytes", [0x01, 0, 0]],
    ["4 bytes, for the sign", [0, 0x80, 0, 0]],
    ["4 bytes, the highest there is", [0x7f, 0xff, 0xff, 0xff]],
  ])("is answered under its messageID of %s (RFC 4511 section 4.1.1.1)", (_, id) => {
    const under = (...parts: readonly Uint8Array[]) => ber(0x30, ber(0x02, Uint8Array.from(id)), ...parts)
    expect(talk(client(), under(ber(0x77, ber(0x80, START_TLS))))).toMatchObject({
      told: [text(under(result(0x78, 0, "", START_TLS)))],
      end: "tls",
    })
  })

  test("may write every length in five bytes, that of the operation's name too (RFC 4511 section 5.1)", () => {
    const long = (tag: number, content: Uint8Array | string) => {
      const header = Buffer.from([tag, 0x84, 0, 0, 0, content.length])
      return Buffer.concat([header, Buffer.from(content as string)])
    }
    const request = long(0x77, long(0x80, START_TLS))
    expect(talk(client(), long(0x30, Buffer.concat([long(0x02, Uint8Array.of(9)), request])))).toMatchObject({
      told: [text(message(9, result(0x78, 0, "", START_TLS)))],
      end: "tls",
    })
  })

  test("may write lengths in four bytes (RFC 4511 section 5.1)", () => {
    const long = Buffer.concat([
      Buffer.from([0x30, 0x84, 0, 0, 0, 35, 0x02, 0x04, 0, 0, 0, 9, 0x77, 0x84, 0, 0, 0, 24, 0x80, 22]),
      Buffer.from(START_TLS),
    ])
    long[5] = long.length - 6
    expect(talk(client(), long)).toMatchObject({ told: [text(message(9, result(0x78, 0, "", START_TLS)))], end: "tls" })
  })

  test("may begin with TLS", () => {
    expect(talk(client(), "\x16\x03\x01").end).toBe("tls")
  })

  test("that sends more behind StartTLS is refused: nothing of it is kept (RFC 4511 section 4.14.1)", () => {
    const { told, end } = talk(client(), Buffer.concat([startTls(), message(2, ber(0x60, "bind"))]))
    expect(end).toBe("STARTTLS_INJECTION")
    expect(told).toEqual([text(message(1, result(0x78, 2, "nothing may follow StartTLS before TLS", START_TLS)))])
  })

  test.each([
    ["no LDAP at all", "GET / HTTP/1.1\r\n", "STARTTLS_SYNTAX", "the bytes are no LDAP message"],
    ["the indefinite form (section 5.1)", "\x30\x80", "STARTTLS_SYNTAX", "a message's length is not BER"],
    ["a length of five bytes", "\x30\x85\0\0\0\0\x05", "STARTTLS_SYNTAX", "a message's length is not BER"],
    ["a message of 16 MiB", "\x30\x84\x01\0\0\0", "STARTTLS_TOO_LONG", "a message of more than 16384 bytes"],
    ["a negative messageID (section 4.1.1)", "\x30\x05\x02\x01\xff\x42\0", "STARTTLS_SYNTAX", "a malformed message"],
    ["messageID 0 (section 4.1.1.1)", "\x30\x05\x02\x01\0\x42\0", "STARTTLS_SYNTAX", "a request with messageID 0"],
    ["no messageID (section 4.1.1)", "\x30\x04\x02\0\x42\0", "STARTTLS_SYNTAX", "a malformed message"],
    [
      "a messageID of 5 bytes (section 4.1.1.1)",
      "\x30\x09\x02\x05\0\0\0\0\x01\x42\0",
      "STARTTLS_SYNTAX",
      "a malformed message",
    ],
    [
      "the indefinite form inside (section 5.1)",
      "\x30\x09\x02\x01\x01\x77\x80\x80\0\0\0",
      "STARTTLS_SYNTAX",
      "a malformed message",
    ],
    [
      "controls that are none (section 4.1.11)",
      message(1, ber(0x42), ber(0xa0, ber(0x04, "1.2"))),
      "STARTTLS_SYNTAX",
      "a malformed message",
    ],
    [
      "a control without a type (section 4.1.11)",
      message(1, ber(0x42), ber(0xa0, ber(0x30))),
      "STARTTLS_SYNTAX",
      "a malformed message",
    ],
    ["no operation (section 4.1.1)", "\x30\x03\x02\x01\x01", "STARTTLS_SYNTAX", "a malformed message"],
    [
      "bytes behind the operation (section 4.1.1)",
      "\x30\x07\x02\x01\x01\x42\0\x04\0",
      "STARTTLS_SYNTAX",
      "a malformed message",
    ],
    [
      "an operation that is none (section 4.1.1)",
      "\x30\x05\x02\x01\x01\x5f\0",
      "STARTTLS_SYNTAX",
      "an unknown operation",
    ],
    [
      "TLS in the middle",
      `${text(message(2, ber(0x50, Uint8Array.of(1))))}\x16\x03\x01`,
      "STARTTLS_SYNTAX",
      "the bytes are no LDAP message",
    ],
  ])("that sends %s gets a Notice of Disconnection (RFC 4511 section 4.4.1)", (_, said, end, diagnostic) => {
    expect(talk(client(), said)).toMatchObject({
      told: [text(message(0, result(0x78, 2, diagnostic, DISCONNECTION)))],
      end,
    })
  })

  test("may send 16 messages", () => {
    const abandon = message(2, ber(0x50, Uint8Array.of(1)))
    expect(talk(client(), Buffer.concat([...Array<Buffer>(15).fill(abandon), startTls()])).end).toBe("tls")
    expect(talk(client(), Buffer.concat([...Array<Buffer>(16).fill(abandon), startTls()])).end).toBe(
      "STARTTLS_TOO_MANY",
    )
  })
})

describe("a backend that speaks LDAP", () => {
  test("is asked for StartTLS (RFC 4511 section 4.14.1)", () => {
    expect(Buffer.from(server().opening ?? [])).toEqual(startTls())
  })

  test.each([
    ["starts TLS", message(1, result(0x78, 0, "", START_TLS)), "tls"],
    ["starts TLS without naming it (section 4.12)", message(1, result(0x78, 0)), "tls"],
    [
      "sends more behind its leave",
      Buffer.concat([message(1, result(0x78, 0)), Buffer.from([0x30])]),
      "STARTTLS_INJECTION",
    ],
    ["does not know StartTLS (section 4.14.2)", message(1, result(0x78, 2)), "STARTTLS_NOT_OFFERED"],
    ["refers to another server (section 4.14.2)", message(1, result(0x78, 10)), "STARTTLS_REFUSED"],
    ["has no TLS now (section 4.14.2)", message(1, result(0x78, 52)), "STARTTLS_REFUSED"],
    ["disconnects (section 4.4.1)", message(0, result(0x78, 52, "", DISCONNECTION)), "STARTTLS_REFUSED"],
    ["disconnects with success", message(0, result(0x78, 0, "", DISCONNECTION)), "STARTTLS_REFUSED"],
    [
      "says something else unasked, and then starts TLS (section 4.4)",
      Buffer.concat([message(0, result(0x78, 0, "", "1.3.6.1.1.21.4")), message(1, result(0x78, 0))]),
      "tls",
    ],
    ["only says something unasked (section 4.4)", message(0, result(0x78, 0)), "more"],
    [
      "refers to another server by its URL (section 4.1.10)",
      message(
        1,
        ber(0x78, ber(0x0a, Uint8Array.of(10)), ber(0x04), ber(0x04), ber(0xa3, ber(0x04, "ldap://b.example/"))),
      ),
      "STARTTLS_REFUSED",
    ],
    ["is busy (section 4.1.9)", message(1, result(0x78, 51)), "STARTTLS_REFUSED"],
    ["writes its messageID in 4 bytes", ber(0x30, ber(0x02, Buffer.from([0, 0, 0, 1])), result(0x78, 0)), "tls"],
    ["writes in the indefinite form (section 5.1)", "\x30\x80\x02\x01\x01", "STARTTLS_SYNTAX"],
    ["answers another message", message(2, result(0x78, 0)), "STARTTLS_SYNTAX"],
    ["answers another operation", message(1, result(0x61, 0)), "STARTTLS_SYNTAX"],
    ["answers without a result", message(1, ber(0x78)), "STARTTLS_SYNTAX"],
    ["speaks another protocol", "220 smtp\r\n", "STARTTLS_SYNTAX"],
    ["answers half", message(1, result(0x78, 0)).subarray(0, 6), "more"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), said).end).toBe(end)
  })
})
