import { spawnSync } from "node:child_process"
import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { folder, missing, titled } from "../peers/programs.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { serveNames } from "./support/gateway.ts"
import { NEEDED, nodeModule, program, python } from "./support/installed.ts"
import { isRoot, type RunOptions, run } from "./support/run.ts"
import { dovecotServer, ldapServer, postfixServer, prosodyServer } from "./support/servers.ts"

const POSTFIX = "/usr/lib/postfix/sbin/master"
const asRoot = isRoot ? undefined : "servers with users of their own are only for root"
const noMail =
  asRoot ?? missing(POSTFIX, "dovecot", "msmtp", "mbsync", "fetchmail", "python3", NEEDED.node("nodemailer"))
const noLdap = asRoot ?? missing("/usr/sbin/slapd", "java", "keytool", NEEDED.node("ldapts"))
const noXmpp = asRoot ?? missing("prosody", "python3", NEEDED.python("slixmpp"))

const ca = certificateAuthority()
const [ONE, TWO] = ["one.example", "two.example"] as const
const names = { names: [ONE, TWO] } satisfies RunOptions
type Served = Awaited<ReturnType<typeof serveNames>>

const dir = folder()
const authority = join(dir, "ca.pem")
writeFileSync(authority, ca.cert)

/** A file that only its owner may read, as programs want those with passwords in them. */
function secret(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  chmodSync(path, 0o600)
  return path
}

describe.skipIf(noMail !== undefined)(titled("programs that send and fetch mail", noMail), () => {
  let smtp: Served
  let imap: Served
  let pop3: Served

  beforeAll(async () => {
    const posts = await Promise.all([ONE, TWO].map((name) => postfixServer({ folder: folder(), ca, name })))
    const [one, two] = await Promise.all([ONE, TWO].map((name) => dovecotServer({ folder: folder(), ca, name })))
    smtp = await serveNames({ [ONE]: [posts[0] ?? 0], [TWO]: [posts[1] ?? 0] }, { starttls: "smtp" })
    imap = await serveNames({ [ONE]: [one?.imap ?? 0], [TWO]: [two?.imap ?? 0] }, { starttls: "imap" })
    pop3 = await serveNames({ [ONE]: [one?.pop3 ?? 0], [TWO]: [two?.pop3 ?? 0] }, { starttls: "pop3" })
  })

  test.each(["imap", "pop3"] as const)("Python's own modules fetch it by %s", async (protocol) => {
    const served = protocol === "imap" ? imap : pop3
    const closed = served.closed({ serverName: TWO })
    const ran = await python("mail.py", [protocol, TWO, String(served.port), authority], names)
    expect(ran).toMatchObject({ code: 0, stdout: protocol === "imap" ? "OK\n" : "+OK Logged in.\n" })
    expect(await closed).toMatchObject({ starttls: protocol, outcome: "completed" })
  })

  test("Python's own modules send it", async () => {
    const closed = smtp.closed({ serverName: ONE })
    const ran = await python("mail.py", ["smtp", ONE, String(smtp.port), authority], names)
    expect(ran).toMatchObject({ code: 0, stdout: "sent\n" })
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed" })
  })

  test("msmtp sends it", async () => {
    const closed = smtp.closed({ serverName: TWO })
    const tls = ["--tls=on", "--tls-starttls=on", `--tls-trust-file=${authority}`]
    const args = [`--host=${TWO}`, `--port=${smtp.port}`, ...tls, "--from=joe@sender.example", `joe@${TWO}`]
    const ran = await run("msmtp", args, { ...names, input: "Subject: hello\n\nhello\n" })
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed" })
  })

  test("nodemailer sends it", async () => {
    const { createTransport } = nodeModule("nodemailer")
    const closed = smtp.closed({ serverName: TWO })
    const tls = { ca: ca.cert, servername: TWO }
    const transport = createTransport({ host: "127.0.0.1", port: smtp.port, requireTLS: true, tls })
    const sent = await transport.sendMail({ from: "joe@sender.example", to: `joe@${TWO}`, text: "hello" })
    expect(sent.response).toMatch(/^250 2\.0\.0 Ok: queued/)
    transport.close()
    expect(await closed).toMatchObject({ starttls: "smtp", outcome: "completed" })
  })

  test("mbsync fetches it by IMAP", async () => {
    const account = ["IMAPAccount a", `Host ${TWO}`, `Port ${imap.port}`, "User joe", "Pass secret"]
    const stores = ["IMAPStore there", "Account a", "", "MaildirStore here", `Inbox ${join(dir, "inbox")}`]
    const channel = ["Channel c", "Far :there:", "Near :here:", "Create Near", "SyncState *"]
    const tls = ["SSLType STARTTLS", `CertificateFile ${authority}`]
    const config = secret("mbsyncrc", [...account, ...tls, "", ...stores, "", ...channel, ""].join("\n"))
    const closed = imap.closed({ serverName: TWO })
    expect(await run("mbsync", ["--config", config, "c"], names)).toMatchObject({ code: 0 })
    expect(await closed).toMatchObject({ starttls: "imap", outcome: "completed" })
  })

  test.each(["imap", "pop3"] as const)("fetchmail fetches it by %s", async (protocol) => {
    const served = protocol === "imap" ? imap : pop3
    const poll = `poll ${ONE} service ${served.port} proto ${protocol} user joe password secret`
    const config = secret(`fetchmail-${protocol}`, `${poll} sslproto TLS1.2+ sslcertck sslcertfile ${authority}\n`)
    const closed = served.closed({ serverName: ONE })
    const args = ["--fetchmailrc", config, "--pidfile", join(dir, "fetchmail.pid"), "--mda", "/bin/true"]
    const { code, stdout } = await run("fetchmail", args, { ...names, env: { HOME: dir } })
    // 1: there was no mail.
    expect([code, stdout]).toEqual([1, expect.stringContaining(`No mail for joe at ${ONE}`)])
    expect(await closed).toMatchObject({ starttls: protocol, outcome: "completed" })
  })

  test("ImapFlow fetches it", async () => {
    const { ImapFlow } = nodeModule("imapflow")
    const closed = imap.closed({ serverName: TWO })
    const tls = { ca: ca.cert, servername: TWO }
    const auth = { user: "joe", pass: "secret" }
    const where = { host: "127.0.0.1", port: imap.port, secure: false, doSTARTTLS: true }
    const client = new ImapFlow({ ...where, auth, tls, logger: false })
    await client.connect()
    expect(await client.list()).toMatchObject([{ path: "INBOX" }])
    await client.logout()
    expect(await closed).toMatchObject({ starttls: "imap", outcome: "completed" })
  })
})

describe.skipIf(noLdap !== undefined)(titled("programs that read directories", noLdap), () => {
  let served: Served

  beforeAll(async () => {
    const ports = await Promise.all([ONE, TWO].map((name) => ldapServer({ folder: folder(), ca, name })))
    served = await serveNames({ [ONE]: [ports[0] ?? 0], [TWO]: [ports[1] ?? 0] }, { starttls: "ldap" })
  })

  // It sends a control with its request, which is not critical.
  test("JNDI comes to the server that it names", async () => {
    const store = join(dir, "trusted.p12")
    const kept = ["-keystore", store, "-storepass", "secret"]
    const made = spawnSync("keytool", ["-importcert", "-noprompt", "-alias", "ca", "-file", authority, ...kept])
    expect(made.status).toBe(0)
    const trust = [`-Djavax.net.ssl.trustStore=${store}`, "-Djavax.net.ssl.trustStorePassword=secret"]
    const closed = served.closed({ serverName: TWO })
    const args = [program("Directory.java"), `ldap://${TWO}:${served.port}`, "dc=example", "o"]
    expect(await run("java", ["-Xmx256m", ...trust, ...args], names)).toMatchObject({ code: 0, stdout: `${TWO}\n` })
    expect(await closed).toMatchObject({ starttls: "ldap", outcome: "completed" })
  })

  test("ldapts comes to the server that it names", async () => {
    const { Client } = nodeModule("ldapts")
    const closed = served.closed({ serverName: ONE })
    const client = new Client({ url: `ldap://127.0.0.1:${served.port}` })
    await client.startTLS({ ca: ca.cert, servername: ONE })
    await client.bind("cn=admin,dc=example", "secret")
    expect((await client.search("dc=example")).searchEntries).toMatchObject([{ o: ONE }])
    await client.unbind()
    expect(await closed).toMatchObject({ starttls: "ldap", outcome: "completed" })
  })
})

describe.skipIf(noXmpp !== undefined)(titled("programs that chat", noXmpp), () => {
  test("slixmpp logs in to the server that it names", async () => {
    const port = await prosodyServer({ folder: folder(), ca, name: TWO })
    const served = await serveNames({ [TWO]: [port.client] }, { starttls: "xmpp" })
    const closed = served.closed({ serverName: TWO })
    const args = [`joe@${TWO}`, "secret", String(served.port), authority]
    expect(await python("chat.py", args, names)).toMatchObject({ code: 0, stdout: "logged in\n" })
    expect(await closed).toMatchObject({ starttls: "xmpp", outcome: "completed" })
  })
})
