import { describe, expect, test } from "vitest"
import { imap } from "../../../src/proxy/starttls/imap.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => imap.toClient(CONTEXT)
const server = () => imap.toBackend({ ...CONTEXT, serverName: "imap.example" })
const CAPABILITIES = "IMAP4rev1 STARTTLS LOGINDISABLED"

describe("a client that speaks IMAP", () => {
  test("is greeted with what there is before TLS (RFC 9051 sections 7.1.1 and 6.2.3)", () => {
    expect(talk(client()).opening).toBe(`* OK [CAPABILITY ${CAPABILITIES}] gw.example ready\r\n`)
  })

  test.each([
    ["STARTTLS (RFC 9051 section 6.2.1)", "a1 STARTTLS", "a1 OK Begin TLS now\r\n", "tls"],
    ["STARTTLS in any case", "A.1 starttls", "A.1 OK Begin TLS now\r\n", "tls"],
    ["STARTTLS with an argument", "a1 STARTTLS x", "a1 BAD STARTTLS takes no arguments\r\n", "more"],
    [
      "CAPABILITY (RFC 9051 section 6.1.1)",
      "1 CAPABILITY",
      `* CAPABILITY ${CAPABILITIES}\r\n1 OK CAPABILITY completed\r\n`,
      "more",
    ],
    ["NOOP (RFC 9051 section 6.1.2)", "a NOOP", "a OK NOOP completed\r\n", "more"],
    ["LOGOUT (RFC 9051 section 6.1.3)", "a LOGOUT", "* BYE Logging out\r\na OK LOGOUT completed\r\n", "STARTTLS_QUIT"],
    [
      "LOGIN (RFC 9051 section 6.2.3, RFC 5530 section 3)",
      "a LOGIN joe secret",
      "a NO [PRIVACYREQUIRED] TLS is required: STARTTLS first\r\n",
      "more",
    ],
    [
      "AUTHENTICATE (RFC 5530 section 3)",
      "a AUTHENTICATE PLAIN",
      "a NO [PRIVACYREQUIRED] TLS is required: STARTTLS first\r\n",
      "more",
    ],
    [
      "SELECT, which is of another state (RFC 9051 section 3)",
      "a SELECT INBOX",
      "a BAD TLS is required: STARTTLS first\r\n",
      "more",
    ],
    [
      "a literal that waits for leave (RFC 9051 section 4.3)",
      "a LOGIN {3}",
      "a BAD No literals before TLS\r\n",
      "more",
    ],
    [
      "a literal that does not wait (RFC 7888 section 3)",
      "a LOGIN {3+}",
      "* BYE No literals before TLS\r\n",
      "STARTTLS_SYNTAX",
    ],
    [
      "a command without a tag (RFC 9051 section 2.2.1)",
      "STARTTLS",
      "* BAD A tag and a command were expected\r\n",
      "more",
    ],
    ["a tag with a plus (RFC 9051 section 9)", "a+ STARTTLS", "* BAD A tag and a command were expected\r\n", "more"],
    [
      "a binary literal that does not wait (RFC 3516 section 4.4)",
      "a APPEND INBOX ~{3+}",
      "* BYE No literals before TLS\r\n",
      "STARTTLS_SYNTAX",
    ],
    [
      "AUTHENTICATE with an initial response (RFC 4959 section 3)",
      "a AUTHENTICATE PLAIN AGpvZQBzZWNyZXQ=",
      "a NO [PRIVACYREQUIRED] TLS is required: STARTTLS first\r\n",
      "more",
    ],
    [
      "ID, which is not offered (RFC 2971 section 3.1)",
      "a ID NIL",
      "a BAD TLS is required: STARTTLS first\r\n",
      "more",
    ],
    ["a command of two words", "a UID FETCH 1 ALL", "a BAD TLS is required: STARTTLS first\r\n", "more"],
    [
      "a tag of any signs that may be (RFC 9051 section 9)",
      "!#$&',-./:;<=>?@[]^_`|}~ NOOP",
      "!#$&',-./:;<=>?@[]^_`|}~ OK NOOP completed\r\n",
      "more",
    ],
    ["a tag with a wildcard (RFC 9051 section 9)", "a% NOOP", "* BAD A tag and a command were expected\r\n", "more"],
    ["a tag alone (RFC 9051 section 2.2.1)", "a", "* BAD A tag and a command were expected\r\n", "more"],
    ["nothing", "", "* BAD A tag and a command were expected\r\n", "more"],
    ["a tag with a star (RFC 9051 section 9)", "* STARTTLS", "* BAD A tag and a command were expected\r\n", "more"],
  ])("gets the answer due to %s", (_, said, told, end) => {
    expect(talk(client(), `${said}\r\n`)).toMatchObject({ told: [told], end })
  })

  test("that sends more behind STARTTLS is refused: nothing of it is kept (RFC 9051 section 11.3)", () => {
    const { told, end } = talk(client(), "a STARTTLS\r\nb LOGIN joe secret\r\n")
    expect([told, end]).toEqual([["a BAD Nothing may follow STARTTLS before TLS\r\n"], "STARTTLS_INJECTION"])
  })

  test("may send commands without waiting for answers, as long as STARTTLS is the last (RFC 9051 section 5.5)", () => {
    expect(talk(client(), "a CAPABILITY\r\nb NOOP\r\nc STARTTLS\r\n")).toMatchObject({
      told: [
        `* CAPABILITY ${CAPABILITIES}\r\na OK CAPABILITY completed\r\nb OK NOOP completed\r\nc OK Begin TLS now\r\n`,
      ],
      end: "tls",
    })
  })

  test.each([
    ["a bare LF", "a NOOP\n", "STARTTLS_SYNTAX"],
    ["a line of 1025 bytes", `a ${"x".repeat(1021)}\r\n`, "STARTTLS_TOO_LONG"],
    ["17 lines", "a NOOP\r\n".repeat(17), "STARTTLS_TOO_MANY"],
    ["TLS at once", "\x16\x03\x01", "STARTTLS_TOO_SOON"],
  ])("that sends %s is refused", (_, said, end) => {
    expect(talk(client(), said).end).toBe(end)
  })
})

describe("a backend that speaks IMAP", () => {
  test("is asked for STARTTLS once it has greeted (RFC 9051 section 6.2.1)", () => {
    expect(
      talk(server(), "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n", "starttls OK Begin TLS negotiation now.\r\n"),
    ).toEqual({ opening: "", told: ["starttls STARTTLS\r\n", ""], end: "tls" })
  })

  test.each([
    [
      "says more before its answer (RFC 9051 section 7)",
      ["* OK hi\r\n", "* CAPABILITY IMAP4rev1\r\nstarttls ok go\r\n"],
      "tls",
    ],
    ["sends more behind its leave", ["* OK hi\r\n", "starttls OK go\r\n* OK evil\r\n"], "STARTTLS_INJECTION"],
    ["greets without text", ["* OK\r\n", "starttls OK\r\n"], "tls"],
    [
      "warns before its answer (RFC 9051 section 7.1.2)",
      ["* OK hi\r\n", "* NO [ALERT] disk is full\r\nstarttls OK go\r\n"],
      "tls",
    ],
    ["says more with its greeting", ["* OK hi\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\n", "starttls OK go\r\n"], "tls"],
    ["speaks POP3", ["+OK hi\r\n"], "STARTTLS_SYNTAX"],
    ["greets as one that is logged in already (RFC 9051 section 7.1.4)", ["* PREAUTH hi\r\n"], "STARTTLS_NOT_OFFERED"],
    [
      "does not know STARTTLS (RFC 9051 section 7.1.3)",
      ["* OK hi\r\n", "starttls BAD what?\r\n"],
      "STARTTLS_NOT_OFFERED",
    ],
    ["will not start TLS (RFC 9051 section 7.1.2)", ["* OK hi\r\n", "starttls NO not now\r\n"], "STARTTLS_REFUSED"],
    ["greets with BYE (RFC 9051 section 7.1.5)", ["* BYE too many\r\n"], "STARTTLS_REFUSED"],
    ["says BYE later (RFC 9051 section 7.1.5)", ["* OK hi\r\n", "* BYE going down\r\n"], "STARTTLS_REFUSED"],
    ["answers another tag", ["* OK hi\r\n", "other OK go\r\n"], "STARTTLS_SYNTAX"],
    ["asks to go on", ["* OK hi\r\n", "+ go on\r\n"], "STARTTLS_SYNTAX"],
    ["speaks another protocol", ["220 smtp\r\n"], "STARTTLS_SYNTAX"],
    ["greets half", ["* OK hi"], "more"],
    ["talks without end", ["* OK hi\r\n", "* OK\r\n".repeat(100)], "STARTTLS_TOO_MANY"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), ...said).end).toBe(end)
  })
})
