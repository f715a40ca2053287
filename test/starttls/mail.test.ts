import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { folder, missing, titled } from "../peers/programs.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { serveNames } from "./support/gateway.ts"
import { isRoot, run } from "./support/run.ts"
import { dovecotServer, ldapServer, postfixServer, prosodyServer } from "./support/servers.ts"

const POSTFIX = "/usr/lib/postfix/sbin/master"
const asRoot = isRoot ? undefined : "servers with users of their own are only for root"
const noPostfix = asRoot ?? missing(POSTFIX, "swaks", "openssl", "curl")
const noDovecot = asRoot ?? missing("dovecot", "openssl", "curl")
const noLdap = asRoot ?? missing("/usr/sbin/slapd", "ldapsearch", "openssl")
const noProsody = asRoot ?? missing("prosody", "openssl")

const ca = certificateAuthority()
const [ONE, TWO] = ["one.example", "two.example"] as const
type Served = Awaited<ReturnType<typeof serveNames>>

/** Finishes a handshake in the way of a protocol, and gives what the server says after `input`. */
function openssl(dir: string, protocol: string, name: string, port: number, input: string, ...more: string[]) {
  const verify = ["-verify_return_error", "-verify_hostname", name, "-CAfile", join(dir, "ca.pem")]
  const where = ["-connect", `127.0.0.1:${port}`, "-starttls", protocol, "-servername", name]
  return run("openssl", ["s_client", "-quiet", "-ign_eof", ...where, ...verify, ...more], { input })
}

describe.skipIf(noPostfix !== undefined)(titled("two Postfixes behind one port", noPostfix), () => {
  const dir = folder()
  let served: Served

  beforeAll(async () => {
    writeFileSync(join(dir, "ca.pem"), ca.cert)
    const ports = await Promise.all([ONE, TWO].map((name) => postfixServer({ folder: dir, ca, name })))
    served = await serveNames(
      { [ONE]: [ports[0] ?? 0], [TWO]: [ports[1] ?? 0] },
      { starttls: "smtp", starttlsName: "gw.example" },
    )
  })

  test.each([ONE, TWO])("swaks delivers a mail to %s, which takes it over TLS alone", async (name) => {
    const closed = served.closed({ serverName: name })
    const args = ["--server", "127.0.0.1", "--port", String(served.port), "--tls-sni", name, "--tls"]
    const mail = ["--from", "joe@sender.example", "--to", `joe@${name}`, "--body", "hello"]
    const { code, stdout } = await run("swaks", [
      ...args,
      ...mail,
      "--tls-verify",
      "--tls-ca-path",
      join(dir, "ca.pem"),
      "--helo",
      "client.example",
    ])
    expect([code, stdout]).toEqual([0, expect.stringContaining("220 gw.example ESMTP")])
    expect(stdout).toMatch(new RegExp(`250-${name.replace(".", "\\.")}\\n[^]*250 2\\.0\\.0 Ok: queued`))
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed", dialAttempts: 1 })
  })

  test.each([ONE, TWO])("curl delivers a mail to %s", async (name) => {
    const to = ["--mail-from", "joe@sender.example", "--mail-rcpt", `joe@${name}`, "--upload-file", "-"]
    const where = ["--connect-to", `${name}:25:127.0.0.1:${served.port}`, `smtp://${name}:25`]
    const args = ["-sS", "--ssl-reqd", "--cacert", join(dir, "ca.pem"), ...to, ...where]
    const closed = served.closed({ serverName: name })
    expect(await run("curl", args, { input: "Subject: hello\r\n\r\nhello\r\n" })).toMatchObject({ code: 0, stderr: "" })
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed" })
  })

  test("openssl s_client comes to the server that it names", async () => {
    const closed = served.closed({ serverName: TWO })
    const { stdout } = await openssl(dir, "smtp", TWO, served.port, "EHLO client.example\nQUIT\n", "-crlf")
    expect(stdout).toContain(`250-${TWO}`)
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed" })
  })

  test("commands that are smuggled in behind STARTTLS never reach a server", async () => {
    const closed = served.closed({ outcome: "starttls-failed" })
    const socket = connect(served.port, "127.0.0.1")
    let heard = ""
    socket.setEncoding("utf8").on("data", (text) => (heard += text))
    socket.write("EHLO client.example\r\nSTARTTLS\r\nMAIL FROM:<evil@sender.example>\r\n")
    await once(socket, "end")
    socket.destroy()
    expect(heard).toMatch(/554 Nothing may follow STARTTLS before TLS\r\n$/)
    expect(await closed).toMatchObject({
      outcome: "starttls-failed",
      detail: "STARTTLS_INJECTION",
      endpoint: undefined,
    })
  })

  test("a Postfix that waits for a PROXY protocol header gets it first", async () => {
    const port = await postfixServer({ folder: dir, ca, name: "proxied.example", proxyProtocol: true })
    const proxied = await serveNames({ "proxied.example": [port] }, { starttls: "smtp", sendProxyProtocol: "v2" })
    const { stdout } = await openssl(
      dir,
      "smtp",
      "proxied.example",
      proxied.port,
      "EHLO client.example\nQUIT\n",
      "-crlf",
    )
    expect(stdout).toContain("250-proxied.example")
  })
})

describe.skipIf(noDovecot !== undefined)(titled("two Dovecots behind one port", noDovecot), () => {
  const dir = folder()
  let imap: Served
  let pop3: Served

  beforeAll(async () => {
    writeFileSync(join(dir, "ca.pem"), ca.cert)
    const one = await dovecotServer({ folder: dir, ca, name: ONE })
    const two = await dovecotServer({ folder: dir, ca, name: TWO, proxyProtocol: true })
    const backends = { backends: { "default/server-1": { sendProxyProtocol: "v2" } } } as const
    imap = await serveNames({ [ONE]: [one.imap], [TWO]: [two.imap] }, { starttls: "imap", ...backends })
    pop3 = await serveNames({ [ONE]: [one.pop3], [TWO]: [two.pop3] }, { starttls: "pop3", ...backends })
  })

  // The second one waits for PROXY protocol headers.
  test.each([ONE, TWO])("curl logs in to %s by IMAP and by POP3, and lists its mail", async (name) => {
    for (const [scheme, { port, closed }] of [
      ["imap", imap],
      ["pop3", pop3],
    ] as const) {
      const record = closed({ serverName: name })
      const where = ["--connect-to", `${name}:${port}:127.0.0.1:${port}`, `${scheme}://${name}:${port}/`]
      const args = ["-sS", "--ssl-reqd", "--cacert", join(dir, "ca.pem"), "-u", "joe:secret", ...where]
      expect(await run("curl", args)).toMatchObject({ code: 0, stderr: "" })
      expect(await record).toMatchObject({ starttls: scheme, outcome: "completed" })
    }
  })

  test.each(["imap", "pop3"] as const)("openssl s_client comes to the server that it names by %s", async (protocol) => {
    const { port, closed } = protocol === "imap" ? imap : pop3
    const record = closed({ serverName: TWO })
    const input = protocol === "imap" ? "a LOGIN joe secret\nb LOGOUT\n" : "USER joe\nPASS secret\nQUIT\n"
    const { stdout } = await openssl(dir, protocol, TWO, port, input, "-crlf")
    expect(stdout).toMatch(protocol === "imap" ? /a OK/ : /\+OK Logged in/)
    expect(await record).toMatchObject({ starttls: protocol, outcome: "completed" })
  })

  test("curl that does not ask for TLS cannot log in", async () => {
    const where = ["--connect-to", `${ONE}:${imap.port}:127.0.0.1:${imap.port}`, `imap://${ONE}:${imap.port}/`]
    expect((await run("curl", ["-sS", "-u", "joe:secret", ...where])).code).not.toBe(0)
  })
})

describe.skipIf(noLdap !== undefined)(titled("two OpenLDAP servers behind one port", noLdap), () => {
  const dir = folder()
  let served: Served

  beforeAll(async () => {
    writeFileSync(join(dir, "ca.pem"), ca.cert)
    const ports = await Promise.all([ONE, TWO].map((name) => ldapServer({ folder: dir, ca, name })))
    served = await serveNames({ [ONE]: [ports[0] ?? 0], [TWO]: [ports[1] ?? 0] }, { starttls: "ldap" })
  })

  const search = (name: string, ...tls: string[]) =>
    run("ldapsearch", ["-x", "-LLL", ...tls, "-H", `ldap://${name}:${served.port}`, "-b", "dc=example", "o"], {
      names: [ONE, TWO],
      env: { LDAPTLS_CACERT: join(dir, "ca.pem") },
    })

  test.each([ONE, TWO])("ldapsearch -ZZ comes to %s, whose certificate it verifies", async (name) => {
    const closed = served.closed({ serverName: name })
    expect(await search(name, "-ZZ")).toMatchObject({ code: 0, stdout: expect.stringContaining(`o: ${name}\n`) })
    expect(await closed).toMatchObject({ serverName: name, starttls: "ldap", outcome: "completed" })
  })

  test("ldapsearch without TLS is told that confidentiality is required", async () => {
    const { code, stderr } = await search(ONE)
    expect([code, stderr]).toEqual([13, expect.stringContaining("Confidentiality required (13)")])
  })

  test("openssl s_client speaks LDAP up to TLS", async () => {
    const closed = served.closed({ serverName: TWO })
    const { code, stderr } = await openssl(dir, "ldap", TWO, served.port, "", "-no_ign_eof")
    expect([code, stderr]).toEqual([0, expect.stringContaining("verify return:1")])
    expect(await closed).toMatchObject({ starttls: "ldap", outcome: "completed" })
  })
})

describe.skipIf(noProsody !== undefined)(titled("two Prosodies behind one port", noProsody), () => {
  const dir = folder()
  let clients: Served
  let servers: Served

  beforeAll(async () => {
    writeFileSync(join(dir, "ca.pem"), ca.cert)
    const one = await prosodyServer({ folder: dir, ca, name: ONE })
    const two = await prosodyServer({ folder: dir, ca, name: TWO })
    clients = await serveNames(
      { [ONE]: [one.client], [TWO]: [two.client], "*.example": [one.client] },
      { starttls: "xmpp", ejectAfter: 1 },
    )
    servers = await serveNames({ [ONE]: [one.server], [TWO]: [two.server] }, { starttls: "xmpp-server" })
  })

  const hello = (name: string, namespace: string) =>
    `<?xml version='1.0'?><stream:stream to='${name}' version='1.0' xmlns='${namespace}' xmlns:stream='http://etherx.jabber.org/streams'>`

  test.each([ONE, TWO])("a client's stream to %s goes on under TLS, with that server", async (name) => {
    const closed = clients.closed({ serverName: name })
    const { stdout } = await openssl(
      dir,
      "xmpp",
      name,
      clients.port,
      `${hello(name, "jabber:client")}</stream:stream>`,
      "-xmpphost",
      name,
    )
    expect(stdout).toMatch(new RegExp(`from='${name}'[^]*urn:ietf:params:xml:ns:xmpp-sasl`))
    expect(await closed).toMatchObject({ starttls: "xmpp", outcome: "completed" })
  })

  test("so does a server's", async () => {
    const { stdout } = await openssl(
      dir,
      "xmpp-server",
      TWO,
      servers.port,
      `${hello(TWO, "jabber:server")}</stream:stream>`,
      "-xmpphost",
      TWO,
    )
    expect(stdout).toMatch(/from='two\.example'/)
  })

  test("a name that the server does not serve is a fault of the client's, and takes no server out", async () => {
    const closed = clients.closed({ outcome: "dial-failed" })
    await openssl(dir, "xmpp", "three.example", clients.port, "", "-xmpphost", "three.example")
    expect(await closed).toMatchObject({ outcome: "dial-failed", detail: "STARTTLS_UNKNOWN_NAME" })
    const { stdout } = await openssl(
      dir,
      "xmpp",
      ONE,
      clients.port,
      `${hello(ONE, "jabber:client")}</stream:stream>`,
      "-xmpphost",
      ONE,
    )
    expect(stdout).toMatch(/from='one\.example'/)
  })
})
