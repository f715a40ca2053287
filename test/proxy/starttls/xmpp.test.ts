import { describe, expect, test } from "vitest"
import { xmpp, xmppServer } from "../../../src/proxy/starttls/xmpp.ts"
import { CONTEXT, talk } from "./drive.ts"

const client = () => xmpp.toClient(CONTEXT)
const server = () => xmpp.toBackend({ ...CONTEXT, serverName: "im.example" })

const NAMESPACES = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
const HEADER = `<?xml version='1.0'?><stream:stream to='im.example' version='1.0' ${NAMESPACES}>`
const TLS = "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
const ERRORS = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
const answered = (from: string) =>
  `<?xml version='1.0'?><stream:stream from='${from}' id='nonce' version='1.0' xml:lang='en' ${NAMESPACES}>`
const FEATURES = `<stream:features><starttls ${TLS}><required/></starttls></stream:features>`
const failed = (condition: string) => `<stream:error><${condition} ${ERRORS}/></stream:error></stream:stream>`

describe("a client that speaks XMPP", () => {
  test("is offered STARTTLS and nothing else, as required, and given it (RFC 6120 sections 5.3.1 and 5.4.2)", () => {
    expect(talk(client(), HEADER, `<starttls ${TLS}/>`)).toEqual({
      opening: "",
      told: [answered("im.example") + FEATURES, `<proceed ${TLS}/>`],
      end: "tls",
    })
  })

  test.each([
    ["no XML declaration (section 11.5)", HEADER.slice(21), answered("im.example") + FEATURES],
    [
      "white space and double quotes",
      HEADER.replaceAll("'", '"').replaceAll(" to=", "\r\n\tto ="),
      answered("im.example") + FEATURES,
    ],
    ["white space before it", `\n${HEADER}`, answered("im.example") + FEATURES],
    ["no domain (section 4.7.2)", HEADER.replace(" to='im.example'", ""), answered("gw.example") + FEATURES],
    [
      "characters by reference (section 11.1)",
      HEADER.replace(" to=", " from='o&apos;neil&#64;im.example&#x2f;a&amp;b' to="),
      answered("im.example") + FEATURES,
    ],
    ["an encoding (section 11.6)", HEADER.replace("'?>", '\' encoding="utf-8" ?>'), answered("im.example") + FEATURES],
    [
      "a later version (section 4.7.5)",
      HEADER.replace("version='1.0' xmlns", "version='1.12' xmlns"),
      answered("im.example") + FEATURES,
    ],
    [
      "a language (section 4.7.4)",
      HEADER.replace(" to=", " xml:lang='de' id='x' to="),
      answered("im.example") + FEATURES,
    ],
    [
      "a domain that cannot be written back as it is",
      HEADER.replace("im.example", "im example"),
      answered("gw.example") + FEATURES,
    ],
    [
      "more attributes, a greater-than sign among them",
      HEADER.replace(" to=", " from='a>b@im.example' to="),
      answered("im.example") + FEATURES,
    ],
  ])("may begin its stream with %s", (_, header, told) => {
    expect(talk(client(), header)).toMatchObject({ told: [told], end: "more" })
  })

  test.each([
    ["in two tags", `<starttls ${TLS}></starttls>`, `<proceed ${TLS}/>`, "tls"],
    [
      "behind white space, which keeps the connection alive (section 4.6.1)",
      `\n \n<starttls ${TLS}/>`,
      `<proceed ${TLS}/>`,
      "tls",
    ],
    ["of another namespace", "<starttls xmlns='x'/>", failed("policy-violation"), "STARTTLS_REQUIRED"],
    ["with something in it", `<starttls ${TLS}><x/></starttls>`, failed("bad-format"), "STARTTLS_SYNTAX"],
  ])("may ask for TLS %s, or not", (_, said, told, end) => {
    expect(talk(client(), HEADER, said)).toMatchObject({ told: [expect.any(String), told], end })
  })

  test.each([
    [
      "goes on without TLS (section 5.3.1)",
      "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>",
      failed("policy-violation"),
      "STARTTLS_REQUIRED",
    ],
    ["sends a stanza", "<iq type='get' id='1'>", failed("policy-violation"), "STARTTLS_REQUIRED"],
    ["sends text", "hello", failed("bad-format"), "STARTTLS_SYNTAX"],
    ["sends a comment (section 11.1)", "<!-- x -->", failed("restricted-xml"), "STARTTLS_SYNTAX"],
    ["sends an entity (section 11.1)", "<a b='&x;'/>", failed("restricted-xml"), "STARTTLS_SYNTAX"],
    ["sends a processing instruction (section 11.1)", "<?php ?>", failed("restricted-xml"), "STARTTLS_SYNTAX"],
    ["declares XML again", "<?xml version='1.0'?>", failed("not-well-formed"), "STARTTLS_SYNTAX"],
    ["sends an attribute twice", "<a b='1' b='2'/>", failed("not-well-formed"), "STARTTLS_SYNTAX"],
    ["opens a tag in a tag", "<a <b>", failed("not-well-formed"), "STARTTLS_SYNTAX"],
    ["closes what is not open", "</a>", failed("not-well-formed"), "STARTTLS_SYNTAX"],
    ["closes its stream (section 4.4)", "</stream:stream>", "</stream:stream>", "STARTTLS_QUIT"],
    ["sends a tag without end", `<a b='${"x".repeat(5000)}`, failed("not-well-formed"), "STARTTLS_SYNTAX"],
    ["sends white space without end", " ".repeat(20_000), failed("policy-violation"), "STARTTLS_TOO_LONG"],
  ])("and %s in its stream is told so", (_, said, told, end) => {
    expect(talk(client(), HEADER, said)).toMatchObject({ told: [expect.any(String), told], end })
  })

  test.each([
    ["a document type (section 11.1)", "<!DOCTYPE x>", "restricted-xml"],
    [
      "a document type that defines entities (section 11.1)",
      "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>",
      "restricted-xml",
    ],
    ["a style sheet (section 11.1)", "<?xml version='1.0'?><?xml-stylesheet href='x'?>", "restricted-xml"],
    ["another encoding (section 11.6)", "<?xml version='1.0' encoding='UTF-16'?>", "unsupported-encoding"],
    ["a declaration that is none", "<?xml version=1.0?>", "not-well-formed"],
    ["a byte order mark (section 11.6)", `\xef\xbb\xbf${HEADER}`, "bad-format"],
    ["a stream that ends at once", HEADER.replace(/>$/, "/>"), "bad-format"],
    ["a stream between servers", HEADER.replace("jabber:client", "jabber:server"), "invalid-namespace"],
    ["a stream of another namespace (section 4.8.1)", HEADER.replace("etherx", "other"), "invalid-namespace"],
    ["another prefix (section 4.8.5)", HEADER.replaceAll("stream:stream", "s:stream"), "bad-namespace-prefix"],
    ["a stanza", "<iq/>", "bad-format"],
    ["HTTP", "GET / HTTP/1.1\r\n", "bad-format"],
  ])("that begins with %s is told so in a stream (RFC 6120 section 4.9.1.2)", (_, said, condition) => {
    expect(talk(client(), said)).toMatchObject({
      told: [answered("gw.example") + failed(condition)],
      end: "STARTTLS_SYNTAX",
    })
  })

  test("from before XMPP 1.0 is told that there is no other (RFC 6120 section 4.7.5)", () => {
    expect(talk(client(), HEADER.replace("version='1.0' xmlns", "xmlns"))).toMatchObject({
      told: [answered("im.example") + failed("unsupported-version")],
      end: "STARTTLS_SYNTAX",
    })
  })

  test("may begin with TLS (XEP-0368)", () => {
    expect(talk(client(), "\x16\x03\x01").end).toBe("tls")
  })

  test("that sends more behind its request is refused: nothing of it is kept (RFC 6120 section 5.3.3)", () => {
    const { told, end } = talk(client(), HEADER, `<starttls ${TLS}/><iq/>`)
    expect([told[1], end]).toEqual([failed("policy-violation"), "STARTTLS_INJECTION"])
  })

  test("is one server to another under xmpp-server (RFC 6120 section 4.8.2)", () => {
    const header = HEADER.replace("jabber:client", "jabber:server")
    expect(talk(xmppServer.toClient(CONTEXT), header, `<starttls ${TLS}/>`).end).toBe("tls")
    expect(talk(xmppServer.toClient(CONTEXT), HEADER).end).toBe("STARTTLS_SYNTAX")
  })
})

describe("a backend that speaks XMPP", () => {
  const ANSWER = `<?xml version='1.0'?><stream:stream id='1' from='im.example' version='1.0' ${NAMESPACES}>`
  const OFFER = `<stream:features><starttls ${TLS}><required/></starttls><mechanisms><mechanism>PLAIN</mechanism></mechanisms></stream:features>`

  test("is asked for TLS in a stream to the name that the client asked for (RFC 6120 section 5.4.2)", () => {
    expect(talk(server(), ANSWER + OFFER, `<proceed ${TLS}/>`)).toEqual({
      opening: HEADER,
      told: [`<starttls ${TLS}/>`, ""],
      end: "tls",
    })
  })

  test("is asked without a name where the client has none", () => {
    expect(talk(xmpp.toBackend({ ...CONTEXT, serverName: undefined })).opening).toBe(
      HEADER.replace(" to='im.example'", ""),
    )
  })

  test.each([
    ["answers in two tags", [ANSWER + OFFER, `<proceed ${TLS}></proceed>`], "tls"],
    ["sends more behind its leave", [ANSWER + OFFER, `<proceed ${TLS}/><x/>`], "STARTTLS_INJECTION"],
    ["does not offer TLS", [`${ANSWER}<stream:features><x/></stream:features>`], "STARTTLS_NOT_OFFERED"],
    ["has no features", [`${ANSWER}<stream:features/>`], "STARTTLS_NOT_OFFERED"],
    [
      "offers starttls of another namespace",
      [`${ANSWER}<stream:features><starttls xmlns='x'/></stream:features>`],
      "STARTTLS_NOT_OFFERED",
    ],
    [
      "offers starttls inside something else",
      [`${ANSWER}<stream:features><x><starttls ${TLS}/></x></stream:features>`],
      "STARTTLS_NOT_OFFERED",
    ],
    ["fails to start TLS (section 5.4.2.2)", [ANSWER + OFFER, `<failure ${TLS}/>`], "STARTTLS_REFUSED"],
    [
      "does not serve the name (section 4.9.3.6)",
      [`${ANSWER}<stream:error><host-unknown ${ERRORS}/></stream:error>`],
      "STARTTLS_UNKNOWN_NAME",
    ],
    [
      "ends the stream for another reason",
      [`${ANSWER}<stream:error><resource-constraint ${ERRORS}/></stream:error>`],
      "STARTTLS_REFUSED",
    ],
    [
      "is to be found elsewhere (section 4.9.3.19)",
      [`${ANSWER}<stream:error><see-other-host ${ERRORS}>b.example</see-other-host></stream:error></stream:stream>`],
      "STARTTLS_REFUSED",
    ],
    [
      "goes down while it is asked (section 4.9.3.20)",
      [ANSWER + OFFER, `<stream:error><system-shutdown ${ERRORS}/></stream:error>`],
      "STARTTLS_REFUSED",
    ],
    [
      "is from before XMPP 1.0 (section 4.7.5)",
      [ANSWER.replace(" version='1.0' xmlns", " xmlns")],
      "STARTTLS_NOT_OFFERED",
    ],
    ["ends the stream for no reason", [`${ANSWER}</stream:stream>`], "STARTTLS_REFUSED"],
    ["answers something else", [ANSWER + OFFER, "<success/>"], "STARTTLS_SYNTAX"],
    ["sends no features", [`${ANSWER}<iq/>`], "STARTTLS_SYNTAX"],
    ["sends XML that XMPP forbids", [`${ANSWER}<!-- -->`], "STARTTLS_SYNTAX"],
    ["speaks TLS at once", ["\x16\x03\x01"], "STARTTLS_SYNTAX"],
    ["answers half", [ANSWER.slice(0, 30)], "more"],
    ["sends features without end", [`${ANSWER}<stream:features>${"<x/>".repeat(5000)}`], "STARTTLS_TOO_LONG"],
  ])("and %s", (_, said, end) => {
    expect(talk(server(), ...said).end).toBe(end)
  })
})
