import { describe, expect, test } from "vitest"
import { smtp } from "../../../src/proxy/starttls/smtp.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => smtp.toClient(CONTEXT)
const server = () => smtp.toBackend({ ...CONTEXT, serverName: "mx.example" })

describe("a client that speaks SMTP", () => {
  test("is greeted with the operator's name (RFC 5321 section 4.2)", () => {
    expect(talk(client()).opening).toBe("220 gw.example ESMTP\r\n")
  })

  test("is offered STARTTLS and nothing else, and given it (RFC 3207 section 4)", () => {
    expect(talk(client(), "EHLO client.example\r\n", "STARTTLS\r\n")).toMatchObject({
      told: ["250-gw.example\r\n250 STARTTLS\r\n", "220 Ready to start TLS\r\n"],
      end: "tls",
    })
  })

  test.each([
    ["STARTTLS in any case (RFC 5321 section 2.4)", "sTaRtTlS\r\n", "220 Ready to start TLS\r\n", "tls"],
    ["STARTTLS with a space behind it (RFC 5321 section 4.1.1)", "STARTTLS \r\n", "220 Ready to start TLS\r\n", "tls"],
    [
      "STARTTLS with a parameter (RFC 3207 section 4)",
      "STARTTLS now\r\n",
      "501 STARTTLS takes no parameters\r\n",
      "more",
    ],
    ["EHLO without a name (RFC 5321 section 4.1.1.1)", "EHLO\r\n", "501 EHLO takes a name\r\n", "more"],
    ["NOOP (RFC 3207 section 4)", "NOOP\r\n", "250 OK\r\n", "more"],
    ["QUIT (RFC 5321 section 4.1.1.10)", "QUIT\r\n", "221 gw.example closing the connection\r\n", "STARTTLS_QUIT"],
    [
      "EHLO with an address (RFC 5321 section 4.1.3)",
      "ehlo [IPv6:2001:db8::1]\r\n",
      "250-gw.example\r\n250 STARTTLS\r\n",
      "more",
    ],
    [
      "EHLO again (RFC 5321 section 4.1.4)",
      "EHLO a.example\r\nEHLO b.example\r\n",
      "250-gw.example\r\n250 STARTTLS\r\n250-gw.example\r\n250 STARTTLS\r\n",
      "more",
    ],
    [
      "commands in a row, without waiting, though PIPELINING is not offered (RFC 2920 section 3.1)",
      "EHLO a.example\r\nMAIL FROM:<a@b.example>\r\nSTARTTLS\r\n",
      "250-gw.example\r\n250 STARTTLS\r\n530 Must issue a STARTTLS command first\r\n220 Ready to start TLS\r\n",
      "tls",
    ],
  ])("gets the answer due to %s", (_, said, told, end) => {
    expect(talk(client(), said)).toMatchObject({ told: [told], end })
  })

  test.each([
    ["HELO client.example"],
    ["MAIL FROM:<a@b.example>"],
    ["RCPT TO:<a@b.example>"],
    ["DATA"],
    ["RSET"],
    ["AUTH PLAIN AGEAYg=="],
    ["GET / HTTP/1.1"],
    [""],
    ["VRFY joe"],
    ["HELP"],
    ["BDAT 4 LAST"],
    ["XCLIENT ADDR=198.51.100.1"],
    ["STARTTLSX"],
  ])("is told to start TLS first when it sends %j (RFC 3207 section 4)", (said) => {
    const told = ["530 Must issue a STARTTLS command first\r\n"]
    expect(talk(client(), `${said}\r\n`)).toMatchObject({ told, end: "more" })
  })

  test.each([
    ["a command behind STARTTLS", "STARTTLS\r\nMAIL FROM:<a@b.example>\r\n"],
    ["a ClientHello behind STARTTLS", "STARTTLS\r\n\x16\x03\x01"],
    ["a whole session in one go", "EHLO a.example\r\nSTARTTLS\r\nRSET\r\n"],
  ])("that sends %s is refused: nothing of it is kept (RFC 3207 section 6, CVE-2011-0411)", (_, said) => {
    const { told, end } = talk(client(), said)
    expect(end).toBe("STARTTLS_INJECTION")
    expect(told.join("")).toMatch(/554 [^\r\n]*\r\n$/)
    expect(told.join("")).not.toContain("220 ")
  })

  test.each([
    ["a bare LF (RFC 5321 section 2.3.8)", "EHLO a.example\n", "STARTTLS_SYNTAX"],
    ["a bare CR (RFC 5321 section 2.3.8)", "EHLO a\rSTARTTLS\r\n", "STARTTLS_SYNTAX"],
    ["a NUL", "EHLO a\0b\r\n", "STARTTLS_SYNTAX"],
    ["a byte above 127 (RFC 5321 section 2.4)", "EHLO caf\xe9\r\n", "STARTTLS_SYNTAX"],
    ["a line of 513 bytes (RFC 5321 section 4.5.3.1.4)", `NOOP ${"x".repeat(506)}\r\n`, "STARTTLS_TOO_LONG"],
    ["17 lines", "NOOP\r\n".repeat(17), "STARTTLS_TOO_MANY"],
    ["TLS at once", "\x16\x03\x01", "STARTTLS_TOO_SOON"],
  ])("that sends %s is refused, with the code for it (RFC 5321 section 3.8)", (_, said, end) => {
    const dialogue = talk(client(), said)
    expect(dialogue.end).toBe(end)
    expect(dialogue.told.join("")).toMatch(/421 gw\.example [^\r\n]*\r\n$/)
  })

  test("may send a line of 512 bytes, and 16 lines", () => {
    expect(talk(client(), `NOOP ${"x".repeat(505)}\r\n`).end).toBe("more")
    expect(talk(client(), `${"NOOP\r\n".repeat(15)}STARTTLS\r\n`).end).toBe("tls")
  })
})

describe("a backend that speaks SMTP", () => {
  test("is asked for STARTTLS once it has greeted and offered it (RFC 3207 section 4)", () => {
    expect(
      talk(
        server(),
        "220 mx.example ESMTP\r\n",
        "250-mx.example greets gw.example\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n",
        "220 2.0.0 Ready to start TLS\r\n",
      ),
    ).toEqual({ opening: "", told: ["EHLO gw.example\r\n", "STARTTLS\r\n", ""], end: "tls" })
  })

  test.each([
    [
      "greets in several lines (RFC 5321 section 4.2)",
      ["220-mx\r\n220-second\r\n220 third\r\n", "250 STARTTLS\r\n", "220 go\r\n"],
      "tls",
    ],
    [
      "writes the keyword in lower case (RFC 5321 section 2.4)",
      ["220 mx\r\n", "250-mx\r\n250 starttls\r\n", "220 go\r\n"],
      "tls",
    ],
    [
      "offers all that Postfix does (RFC 1652, 1870, 1985, 2034, 2920, 3030, 3461, 6531)",
      [
        "220 mx.example ESMTP Postfix (Debian/GNU)\r\n",
        "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n" +
          "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n",
        "220 2.0.0 Ready to start TLS\r\n",
      ],
      "tls",
    ],
    ["greets in other letters than ASCII", ["220 m\xc3\xbcx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"], "tls"],
    [
      "answers STARTTLS in several lines (RFC 5321 section 4.2.1)",
      ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220-one\r\n220 two\r\n"],
      "tls",
    ],
    ["answers without text (RFC 5321 section 4.2)", ["220\r\n", "250-mx\r\n250 STARTTLS\r\n", "220\r\n"], "tls"],
    [
      "sends more behind its leave",
      ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n250-evil\r\n"],
      "STARTTLS_INJECTION",
    ],
    ["does not offer STARTTLS", ["220 mx\r\n", "250-mx\r\n250 SIZE\r\n"], "STARTTLS_NOT_OFFERED"],
    [
      "only speaks of STARTTLS in its name",
      ["220 mx STARTTLS\r\n", "250-mx STARTTLS\r\n250 SIZE\r\n"],
      "STARTTLS_NOT_OFFERED",
    ],
    ["serves nobody (RFC 5321 section 3.1)", ["554 no service\r\n"], "STARTTLS_REFUSED"],
    ["is too busy (RFC 5321 section 3.8)", ["421 later\r\n"], "STARTTLS_REFUSED"],
    [
      "is too busy once it has greeted, as Postfix is (RFC 5321 section 3.8)",
      ["220 mx\r\n", "421 4.7.0 mx Error: too many connections\r\n"],
      "STARTTLS_REFUSED",
    ],
    ["takes no mail (RFC 7504 section 3)", ["521 mx does not accept mail\r\n"], "STARTTLS_REFUSED"],
    [
      "offers something else that begins so",
      ["220 mx\r\n", "250-mx\r\n250-STARTTLSX\r\n250 XSTARTTLS\r\n"],
      "STARTTLS_NOT_OFFERED",
    ],
    ["ends its lines with LF alone (RFC 5321 section 2.3.8)", ["220 mx\n"], "STARTTLS_SYNTAX"],
    ["answers with a code that there is not (RFC 5321 section 4.2.1)", ["120 wait\r\n"], "STARTTLS_SYNTAX"],
    ["knows no EHLO (RFC 5321 section 4.1.1.1)", ["220 mx\r\n", "502 what?\r\n"], "STARTTLS_REFUSED"],
    [
      "cannot start TLS now (RFC 3207 section 4)",
      ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "454 not now\r\n"],
      "STARTTLS_REFUSED",
    ],
    ["speaks TLS at once", ["\x15\x03\x01"], "STARTTLS_SYNTAX"],
    ["speaks another protocol", ["+OK pop\r\n"], "STARTTLS_SYNTAX"],
    ["greets half", ["220 mx"], "more"],
    ["talks without end in one line", ["220 ".padEnd(3000, "x")], "STARTTLS_TOO_LONG"],
    ["talks without end in many lines", ["220-x\r\n".repeat(200)], "STARTTLS_TOO_MANY"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), ...said).end).toBe(end)
  })
})
