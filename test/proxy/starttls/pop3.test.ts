import { describe, expect, test } from "vitest"
import { pop3 } from "../../../src/proxy/starttls/pop3.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => pop3.toClient(CONTEXT)
const server = () => pop3.toBackend({ ...CONTEXT, serverName: "pop.example" })

describe("a client that speaks POP3", () => {
  test("is greeted without a timestamp, hence without APOP (RFC 1939 sections 4 and 7)", () => {
    expect(talk(client()).opening).toBe("+OK gw.example ready\r\n")
  })

  test.each([
    ["STLS (RFC 2595 section 4)", "STLS", "+OK Begin TLS now\r\n", "tls"],
    ["STLS in any case (RFC 1939 section 3)", "stls", "+OK Begin TLS now\r\n", "tls"],
    ["STLS with an argument (RFC 2595 section 4)", "STLS x", "-ERR STLS takes no arguments\r\n", "more"],
    ["CAPA (RFC 2449 section 5)", "CAPA", "+OK Capabilities follow\r\nSTLS\r\n.\r\n", "more"],
    [
      "CAPA in any case, and twice (RFC 1939 section 3)",
      "capa\r\nCaPa",
      `${"+OK Capabilities follow\r\nSTLS\r\n.\r\n".repeat(2)}`,
      "more",
    ],
    [
      "AUTH alone, as older clients ask for mechanisms (RFC 1734 section 2)",
      "AUTH",
      "-ERR TLS is required: STLS first\r\n",
      "more",
    ],
    ["UTF8 (RFC 6856 section 2)", "UTF8", "-ERR TLS is required: STLS first\r\n", "more"],
    ["nothing", "", "-ERR TLS is required: STLS first\r\n", "more"],
    ["CAPA with an argument (RFC 2449 section 5)", "CAPA x", "-ERR CAPA takes no arguments\r\n", "more"],
    ["QUIT (RFC 1939 section 4)", "QUIT", "+OK Closing the connection\r\n", "STARTTLS_QUIT"],
    ["USER, which needs TLS (RFC 2595 section 4)", "USER joe", "-ERR TLS is required: STLS first\r\n", "more"],
    ["APOP (RFC 1939 section 7)", "APOP joe c4c9", "-ERR TLS is required: STLS first\r\n", "more"],
    ["AUTH (RFC 5034 section 4)", "AUTH PLAIN", "-ERR TLS is required: STLS first\r\n", "more"],
    ["NOOP, which is of another state (RFC 1939 section 5)", "NOOP", "-ERR TLS is required: STLS first\r\n", "more"],
  ])("gets the answer due to %s", (_, said, told, end) => {
    expect(talk(client(), `${said}\r\n`)).toMatchObject({ told: [told], end })
  })

  test("that sends more behind STLS is refused: nothing of it is kept", () => {
    const { told, end } = talk(client(), "STLS\r\nUSER joe\r\n")
    expect([told, end]).toEqual([["-ERR Nothing may follow STLS before TLS\r\n"], "STARTTLS_INJECTION"])
  })

  test.each([
    ["a bare LF", "CAPA\n", "STARTTLS_SYNTAX"],
    ["a line of 256 bytes (RFC 2449 section 4)", `USER ${"x".repeat(249)}\r\n`, "STARTTLS_TOO_LONG"],
    ["17 lines", "CAPA\r\n".repeat(17), "STARTTLS_TOO_MANY"],
    ["TLS at once", "\x16\x03\x01", "STARTTLS_TOO_SOON"],
  ])("that sends %s is refused", (_, said, end) => {
    expect(talk(client(), said).end).toBe(end)
  })
})

describe("a backend that speaks POP3", () => {
  test("is asked for STLS once it has greeted (RFC 2595 section 4)", () => {
    expect(talk(server(), "+OK Dovecot ready.\r\n", "+OK Begin TLS negotiation now.\r\n")).toEqual({
      opening: "",
      told: ["STLS\r\n", ""],
      end: "tls",
    })
  })

  test.each([
    ["answers without text", ["+OK\r\n", "+OK\r\n"], "tls"],
    ["offers APOP in its greeting (RFC 1939 section 7)", ["+OK hi <1896.6@pop.example>\r\n", "+OK\r\n"], "tls"],
    ["is out of order (RFC 3206 section 4)", ["-ERR [SYS/TEMP] later\r\n"], "STARTTLS_REFUSED"],
    ["answers in words that only begin so", ["+OKAY\r\n"], "STARTTLS_SYNTAX"],
    ["answers in a line of 513 bytes (RFC 2449 section 4)", [`+OK ${"x".repeat(507)}\r\n`], "STARTTLS_TOO_LONG"],
    ["sends more behind its leave", ["+OK\r\n", "+OK\r\n+OK evil\r\n"], "STARTTLS_INJECTION"],
    ["greets with -ERR (RFC 1939 section 4)", ["-ERR busy\r\n"], "STARTTLS_REFUSED"],
    ["will not start TLS (RFC 2595 section 4)", ["+OK\r\n", "-ERR no\r\n"], "STARTTLS_REFUSED"],
    ["speaks another protocol", ["* OK imap\r\n"], "STARTTLS_SYNTAX"],
    ["greets half", ["+OK Dov"], "more"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), ...said).end).toBe(end)
  })
})
