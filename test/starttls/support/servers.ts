import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import { listening, start } from "../../peers/programs.ts"
import type { CertificateAuthority } from "../../support/certificate.ts"
import { freePort } from "../../support/free-port.ts"
import { isRoot } from "./run.ts"

/** Where Debian keeps PostgreSQL's programs, the newest version's. */
export const POSTGRES_BIN: string = postgresBin()

function postgresBin(): string {
  const root = "/usr/lib/postgresql"
  try {
    const [newest] = readdirSync(root).sort((a, b) => Number(b) - Number(a))
    return join(root, newest ?? "", "bin")
  } catch {
    return root
  }
}

/** How a server is made. */
export interface ServerOptions {
  /** Folder for everything that it keeps. */
  readonly folder: string
  readonly ca: CertificateAuthority
  /** DNS name in its certificate. */
  readonly name: string
  /** Whether connections begin with a PROXY protocol header. */
  readonly proxyProtocol?: boolean
}

/** Starts a server, and waits until it answers. */
async function serve(port: number, program: string, args: readonly string[]): Promise<void> {
  await listening(port, start(program, args))
}

function directory({ folder, name }: ServerOptions): string {
  const dir = join(folder, name)
  mkdirSync(dir)
  return dir
}

/** Writes a certificate and its key, readable to whoever runs the server. */
function writeCertificate({ ca, name }: ServerOptions, dir: string, uid?: number): { cert: string; key: string } {
  const issued = ca.issue([name])
  const paths = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") }
  writeFileSync(paths.cert, issued.cert)
  writeFileSync(paths.key, issued.key)
  chmodSync(paths.key, 0o600)
  if (uid !== undefined) for (const path of Object.values(paths)) chownSync(path, uid, -1)
  return paths
}

function idOf(user: string): number {
  return Number(spawnSync("id", ["-u", user]).stdout)
}

/** How a PostgreSQL server is made. */
export interface PostgresOptions extends ServerOptions {
  readonly tls?: boolean
  /** Where its programs are, if not where Debian keeps them. */
  readonly bin?: string
}

/** A PostgreSQL server for one database, with one user, `joe`, whose password is `secret`. Returns its port. */
export async function postgresServer(options: PostgresOptions): Promise<number> {
  const { name, tls = true, bin = POSTGRES_BIN } = options
  const dir = directory(options)
  const data = join(dir, "data")
  const port = await freePort()
  // The server refuses to run as root.
  const user = isRoot ? "postgres" : userInfo().username
  const as = isRoot ? ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] : []
  const { cert, key } = writeCertificate(options, dir, isRoot ? idOf(user) : undefined)
  if (isRoot) chownSync(dir, idOf(user), -1)
  const password = join(dir, "password")
  writeFileSync(password, "secret")
  const [program = "", ...args] = [...as, join(bin, "initdb")]
  const made = spawnSync(program, [...args, "-D", data, "-U", "joe", "--pwfile", password, "-A", "scram-sha-256", "-N"])
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  // Nobody gets in without TLS.
  writeFileSync(
    join(data, "pg_hba.conf"),
    tls ? "hostssl all all all scram-sha-256\n" : "host all all all scram-sha-256\n",
  )
  const settings = [
    ...[
      `port=${port}`,
      "listen_addresses=127.0.0.1",
      `unix_socket_directories=${dir}`,
      "fsync=off",
      "logging_collector=off",
    ],
    ...[`ssl=${tls ? "on" : "off"}`, `ssl_cert_file=${cert}`, `ssl_key_file=${key}`, `cluster_name=${name}`],
  ]
  const [server = "", ...serverArgs] = [...as, join(bin, "postgres"), "-D", data]
  await serve(port, server, [...serverArgs, ...settings.flatMap((setting) => ["-c", setting])])
  return port
}

/** A Postfix that takes mail for its own name and throws it away. Returns its port. */
export async function postfixServer(options: ServerOptions): Promise<number> {
  const { name, proxyProtocol = false } = options
  const dir = directory(options)
  const port = await freePort()
  const { cert, key } = writeCertificate(options, dir)
  const places = { queue: join(dir, "queue"), data: join(dir, "data"), config: join(dir, "config") }
  for (const place of Object.values(places)) mkdirSync(place)
  chownSync(places.data, idOf("postfix"), -1)
  writeFileSync(
    join(places.config, "main.cf"),
    [
      "compatibility_level = 3.6",
      ...[`queue_directory = ${places.queue}`, `data_directory = ${places.data}`],
      ...[`myhostname = ${name}`, `mydestination = ${name}`, "inet_protocols = ipv4", "mynetworks ="],
      ...["local_transport = discard:", "local_recipient_maps =", "alias_maps =", "alias_database ="],
      ...["smtpd_tls_security_level = encrypt", `smtpd_tls_cert_file = ${cert}`, `smtpd_tls_key_file = ${key}`],
      ...(proxyProtocol ? ["smtpd_upstream_proxy_protocol = haproxy"] : []),
      "",
    ].join("\n"),
  )
  // What Debian's own has, of what it takes to receive mail: master(5) tells the columns.
  writeFileSync(
    join(places.config, "master.cf"),
    `127.0.0.1:${port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
discard unix - - n - - discard
`,
  )
  const checked = spawnSync("/usr/sbin/postfix", ["-c", places.config, "check"])
  if (checked.status !== 0) throw new Error(`postfix check failed: ${checked.stderr}`)
  await serve(port, "/usr/lib/postfix/sbin/master", ["-c", places.config, "-d"])
  return port
}

/** A Dovecot with one user, `joe`, whose password is `secret`. Returns its ports. */
export async function dovecotServer(options: ServerOptions): Promise<{ readonly imap: number; readonly pop3: number }> {
  const { name, proxyProtocol = false } = options
  const dir = directory(options)
  const [imap, pop3] = [await freePort(), await freePort()]
  const { cert, key } = writeCertificate(options, dir)
  const mail = join(dir, "mail")
  mkdirSync(mail)
  chownSync(mail, idOf("nobody"), -1)
  writeFileSync(join(dir, "users"), "joe:{PLAIN}secret:::::\n")
  const config = join(dir, "dovecot.conf")
  const listener = (port: number) =>
    `inet_listener PROTOCOL {\n address = 127.0.0.1\n port = ${port}\n ${proxyProtocol ? "haproxy = yes" : ""}\n}`
  writeFileSync(
    config,
    [
      ...[
        `base_dir = ${join(dir, "run")}`,
        `state_dir = ${join(dir, "state")}`,
        "protocols = imap pop3",
        "log_path = /dev/stderr",
      ],
      ...["ssl = required", `ssl_cert = <${cert}`, `ssl_key = <${key}`, `hostname = ${name}`, "first_valid_uid = 1"],
      ...[`mail_location = maildir:${mail}`, "haproxy_trusted_networks = 127.0.0.0/8"],
      `passdb {\n driver = passwd-file\n args = ${join(dir, "users")}\n}`,
      `userdb {\n driver = static\n args = uid=nobody gid=nogroup home=${mail}\n}`,
      `service imap-login {\n${listener(imap).replace("PROTOCOL", "imap")}\ninet_listener imaps {\n port = 0\n}\n}`,
      `service pop3-login {\n${listener(pop3).replace("PROTOCOL", "pop3")}\ninet_listener pop3s {\n port = 0\n}\n}`,
      "",
    ].join("\n"),
  )
  await serve(imap, "dovecot", ["-F", "-c", config])
  return { imap, pop3 }
}

/** An OpenLDAP server whose only entry tells its name. Returns its port. */
export async function ldapServer(options: ServerOptions): Promise<number> {
  const { ca, name } = options
  const dir = directory(options)
  const port = await freePort()
  const { cert, key } = writeCertificate(options, dir)
  const authority = join(dir, "ca.pem")
  writeFileSync(authority, ca.cert)
  const data = join(dir, "data")
  mkdirSync(data)
  const config = join(dir, "slapd.conf")
  writeFileSync(
    config,
    [
      ...[
        "include /etc/ldap/schema/core.schema",
        "modulepath /usr/lib/ldap",
        "moduleload back_mdb",
        `pidfile ${join(dir, "pid")}`,
      ],
      ...[
        `TLSCertificateFile ${cert}`,
        `TLSCertificateKeyFile ${key}`,
        `TLSCACertificateFile ${authority}`,
        "security tls=1",
      ],
      ...["database mdb", `directory ${data}`, 'suffix "dc=example"', 'rootdn "cn=admin,dc=example"', "rootpw secret"],
      "",
    ].join("\n"),
  )
  const entry = join(dir, "entry.ldif")
  writeFileSync(entry, `dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: ${name}\n`)
  const added = spawnSync("/usr/sbin/slapadd", ["-f", config, "-l", entry])
  if (added.status !== 0) throw new Error(`slapadd failed: ${added.stderr}`)
  await serve(port, "/usr/sbin/slapd", ["-d", "0", "-h", `ldap://127.0.0.1:${port}/`, "-f", config])
  return port
}

/** A Prosody for one domain, with one user, `joe`, whose password is `secret`. Returns its ports. */
export async function prosodyServer(
  options: ServerOptions,
): Promise<{ readonly client: number; readonly server: number }> {
  const { name } = options
  const dir = directory(options)
  const [client, server] = [await freePort(), await freePort()]
  const { cert, key } = writeCertificate(options, dir)
  const config = join(dir, "prosody.cfg.lua")
  const data = join(dir, "data")
  mkdirSync(data)
  writeFileSync(
    config,
    [
      ...["run_as_root = true", `data_path = ${JSON.stringify(data)}`, `pidfile = ${JSON.stringify(join(dir, "pid"))}`],
      ...[
        'interfaces = { "127.0.0.1" }',
        `c2s_ports = { ${client} }`,
        `s2s_ports = { ${server} }`,
        "c2s_direct_tls_ports = {}",
      ],
      ...['modules_enabled = { "tls", "saslauth", "roster", "disco" }', 'modules_disabled = { "s2s_direct_tls" }'],
      ...["c2s_require_encryption = true", "s2s_require_encryption = true", 'authentication = "internal_hashed"'],
      ...[
        `ssl = { certificate = ${JSON.stringify(cert)}; key = ${JSON.stringify(key)} }`,
        'log = { { levels = { min = "info" }, to = "console" } }',
      ],
      `VirtualHost ${JSON.stringify(name)}`,
      "",
    ].join("\n"),
  )
  const registered = spawnSync("prosodyctl", ["--root", "--config", config, "register", "joe", name, "secret"])
  if (registered.status !== 0) throw new Error(`prosodyctl failed: ${registered.stdout}${registered.stderr}`)
  await serve(client, "prosody", ["--config", config, "-F"])
  return { client, server }
}
