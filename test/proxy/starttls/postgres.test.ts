import { describe, expect, test } from "vitest"
import { postgres } from "../../../src/proxy/starttls/postgres.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => postgres.toClient(CONTEXT)
const server = () => postgres.toBackend({ ...CONTEXT, serverName: "db.example" })

/** Length, code, and what follows ("Message Formats"). */
function first(code: number, rest: Uint8Array = Buffer.alloc(0), length = 8 + rest.length): Buffer {
  const header = Buffer.alloc(8)
  header.writeInt32BE(length)
  header.writeInt32BE(code, 4)
  return Buffer.concat([header, rest])
}

const SSL = first(80877103)
const GSSENC = first(80877104)
const CANCEL = first(80877102, Buffer.alloc(8, 7))
const STARTUP = first(0x00030000, Buffer.from("user\0joe\0database\0shop\0\0"))
const STARTUP_3_2 = first(0x00030002, Buffer.from("user\0joe\0\0"))
const STARTUP_2 = first(0x00020000, Buffer.alloc(288))

describe("a client that speaks PostgreSQL", () => {
  test.each([
    ["SSLRequest", [SSL], ["S"], "tls"],
    ["GSSENCRequest, then SSLRequest", [GSSENC, SSL], ["N", "S"], "tls"],
    ["a second GSSENCRequest", [GSSENC, GSSENC], ["N", ""], "STARTTLS_TOO_MANY"],
    ["TLS at once (sslnegotiation=direct)", ["\x16\x03\x01"], [""], "tls"],
    ["TLS at once behind a GSSENCRequest", [GSSENC, "\x16\x03\x01"], ["N", ""], "STARTTLS_SYNTAX"],
    ["half an SSLRequest", [SSL.subarray(0, 5)], [""], "more"],
    ["HTTP", ["GET / HTTP/1.1\r\n"], [""], "STARTTLS_SYNTAX"],
    ["a message of no type that there is", [first(0x12345678)], [""], "STARTTLS_SYNTAX"],
    ["an SSLRequest with another length", [first(80877103, undefined, 9)], [""], "STARTTLS_SYNTAX"],
    ["a StartupMessage longer than a server takes", [first(0x00030000, undefined, 10_001)], [""], "STARTTLS_SYNTAX"],
  ])("gets the answer due to %s", (_, said, told, end) => {
    expect(talk(client(), ...said)).toMatchObject({ told, end })
  })

  test.each([
    ["StartupMessage, protocol 3.0", STARTUP],
    ["StartupMessage, protocol 3.2", STARTUP_3_2],
    ["StartupMessage, protocol 2.0", STARTUP_2],
    ["CancelRequest", CANCEL],
  ])("that sends a %s in plain text is told in an ErrorResponse that TLS is required", (_, message) => {
    const { told, end } = talk(client(), message)
    expect(end).toBe("STARTTLS_REQUIRED")
    const response = Buffer.from(told[0] ?? "", "latin1")
    expect(response[0]).toBe(0x45)
    expect(response.readInt32BE(1)).toBe(response.length - 1)
    const fields = Object.fromEntries(
      response
        .subarray(5)
        .toString("latin1")
        .split("\0")
        .filter((field) => field !== "")
        .map((field) => [field[0], field.slice(1)]),
    )
    expect(fields).toMatchObject({ S: "FATAL", V: "FATAL", C: "28000", M: expect.stringContaining("TLS is required") })
    expect(response.subarray(-2)).toEqual(Buffer.alloc(2))
  })

  test.each([
    ["a StartupMessage", Buffer.concat([SSL, STARTUP])],
    ["a ClientHello", Buffer.concat([SSL, Buffer.from([0x16, 3, 1])])],
    ["a single byte", Buffer.concat([SSL, Buffer.from([0])])],
  ])("that sends %s behind its SSLRequest is refused: nothing of it is kept (CVE-2021-23214)", (_, said) => {
    const { told, end } = talk(client(), said)
    expect(end).toBe("STARTTLS_INJECTION")
    expect(told[0]).toMatch(/^E/)
  })

  test("may send its SSLRequest behind its GSSENCRequest, without waiting: both are plain, and answered in turn", () => {
    expect(talk(client(), Buffer.concat([GSSENC, SSL]))).toMatchObject({ told: ["NS"], end: "tls" })
    expect(talk(client(), Buffer.concat([GSSENC, STARTUP])).end).toBe("STARTTLS_REQUIRED")
  })
})

describe("a backend that speaks PostgreSQL", () => {
  test("is sent an SSLRequest", () => {
    expect(Buffer.from(server().opening ?? [])).toEqual(SSL)
  })

  test.each([
    ["starts TLS", "S", "tls"],
    ["has no TLS", "N", "STARTTLS_REFUSED"],
    ["answers with an error", "E\0\0\0\x20SFATAL\0", "STARTTLS_REFUSED"],
    ["sends more behind its leave (CVE-2021-23222)", "SN", "STARTTLS_INJECTION"],
    ["speaks another protocol", "220 smtp\r\n", "STARTTLS_SYNTAX"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), said)).toMatchObject({ told: [""], end })
  })
})
