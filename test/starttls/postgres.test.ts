import { createHash } from "node:crypto"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import pg from "pg"
import { beforeAll, describe, expect, test } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { folder, missing, titled } from "../peers/programs.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { serveNames } from "./support/gateway.ts"
import { isRoot, type RunOptions, run } from "./support/run.ts"
import { POSTGRES_BIN, postgresServer } from "./support/servers.ts"

const reason = missing(join(POSTGRES_BIN, "postgres"), "psql", "pg_dump", join(POSTGRES_BIN, "pgbench"), "openssl")
const JDBC = "/usr/share/java/postgresql.jar"
const noJava = !isRoot ? "names of its own are only for root" : missing("javac", JDBC)

const ORDERS = "orders.db.example"
const USERS = "users.db.example"

describe.skipIf(reason !== undefined)(titled("two PostgreSQL servers behind one port", reason), () => {
  const dir = folder()
  const ca = certificateAuthority()
  const authority = join(dir, "ca.pem")
  let ports: { readonly orders: number; readonly users: number; readonly plain: number }
  let served: Awaited<ReturnType<typeof serveNames>>
  const sessions: ConnectionRecord[] = []

  beforeAll(async () => {
    writeFileSync(authority, ca.cert)
    const [orders, users, plain] = await Promise.all([
      postgresServer({ folder: dir, ca, name: ORDERS }),
      postgresServer({ folder: dir, ca, name: USERS }),
      postgresServer({ folder: dir, ca, name: "plain.db.example", tls: false }),
    ])
    ports = { orders, users, plain }
    served = await serveNames({ [ORDERS]: [orders], [USERS]: [users] }, { starttls: "postgres" })
    served.gateway.on("close", (record) => record.kind === "spliced" && sessions.push(record))
  })

  /** Where a client of libpq connects to: a name, which is found at the gateway. */
  const at = (name: string, rest = "sslmode=verify-full", port = served.port) =>
    `host=${name} hostaddr=127.0.0.1 port=${port} user=joe dbname=postgres sslrootcert=${authority} ${rest}`
  const env = { PGPASSWORD: "secret", PGCONNECT_TIMEOUT: "20" }
  const psql = (connection: string, query: string, options: RunOptions = {}) =>
    run("psql", ["-XAtqc", query, connection], { env, ...options })

  test.each([ORDERS, USERS])(
    "psql that connects to %s comes to that server, whose certificate it verifies",
    async (name) => {
      const closed = served.closed({ serverName: name })
      const query = "select current_setting('cluster_name'), ssl from pg_stat_ssl where pid = pg_backend_pid()"
      expect(await psql(at(name), query)).toEqual({ code: 0, stdout: `${name}|t\n`, stderr: "" })
      expect(await closed).toMatchObject({
        serverName: name,
        starttls: "postgres",
        outcome: "completed",
        dialAttempts: 1,
      })
    },
  )

  test.each(["sslmode=require", "sslmode=prefer", "sslmode=verify-full gssencmode=prefer"])(
    "psql may use %s",
    async (mode) => {
      expect(await psql(at(ORDERS, mode), "select 1")).toMatchObject({ code: 0, stdout: "1\n" })
    },
  )

  test("psql without TLS is told that it is required", async () => {
    const closed = served.closed({ outcome: "starttls-failed" })
    const { code, stderr } = await psql(at(ORDERS, "sslmode=disable"), "select 1")
    expect(code).not.toBe(0)
    expect(stderr).toContain("FATAL:  TLS is required")
    expect(stderr).toContain("HINT:  Connect to a host name")
    expect(await closed).toMatchObject({ detail: "STARTTLS_REQUIRED", starttls: "postgres" })
  })

  test("psql that asks for a name without a route is refused, and so is one that sends none", async () => {
    const [unknown, none] = [at("other.db.example", "sslmode=require"), at(ORDERS, "sslmode=require sslsni=0")]
    for (const connection of [unknown, none]) {
      const closed = served.closed({ outcome: "refused" })
      expect((await psql(connection, "select 1")).code).not.toBe(0)
      expect(await closed).toMatchObject({ starttls: "postgres" })
    }
  })

  test("pg_dump of 100 MB gives the same bytes as past the gateway", async () => {
    const fill =
      "create table heap as select n, repeat(md5(n::text), 3) as text from generate_series(1, 1000000) as n; checkpoint"
    expect(await psql(at(ORDERS), fill)).toMatchObject({ code: 0 })
    const dump = async (connection: string) => {
      const { code, stdout, stderr } = await run("pg_dump", ["--table=heap", connection], { env })
      expect([code, stderr]).toEqual([0, ""])
      // Newer versions put a random key into each dump.
      const text = stdout.replaceAll(/^\\(un)?restrict .*$/gm, "")
      return { length: text.length, hash: createHash("sha256").update(text).digest("hex") }
    }
    const through = await dump(at(ORDERS))
    expect(through).toEqual(await dump(at(ORDERS, "sslmode=verify-full", ports.orders)))
    expect(through.length).toBeGreaterThan(100_000_000)
  })

  test("COPY sends 20 MB up, every row of it", async () => {
    const rows = Array.from({ length: 400_000 }, (_, row) => `${row}\t${"x".repeat(44)}\n`).join("")
    expect(await psql(at(USERS), "create table rows (n int, text text)")).toMatchObject({ code: 0 })
    expect(await psql(at(USERS), "\\copy rows from pstdin", { input: rows })).toMatchObject({ code: 0 })
    expect(await psql(at(USERS), "select count(*), sum(n) from rows")).toMatchObject({ stdout: "400000|79999800000\n" })
  })

  test("pgbench runs its transactions, over connections that stay and over one for each", async () => {
    const pgbench = (...args: string[]) => run(join(POSTGRES_BIN, "pgbench"), [...args, at(ORDERS)], { env })
    expect(await pgbench("-i", "-q", "-s", "1")).toMatchObject({ code: 0 })
    for (const args of [
      ["-t", "200"],
      ["-C", "-t", "25"],
    ]) {
      const { code, stdout } = await pgbench("-c", "8", "-j", "2", ...args)
      expect([code, stdout]).toEqual([0, expect.stringMatching(/number of failed transactions: 0/)])
    }
  })

  test("node-postgres comes to the server that it names", async () => {
    for (const name of [ORDERS, USERS]) {
      const ssl = { ca: ca.cert, servername: name }
      const client = new pg.Client({
        host: "127.0.0.1",
        port: served.port,
        user: "joe",
        password: "secret",
        database: "postgres",
        ssl,
      })
      const closed = served.closed({ serverName: name })
      await client.connect()
      const { rows } = await client.query("select current_setting('cluster_name') as name")
      expect(rows).toEqual([{ name }])
      await client.end()
      expect(await closed).toMatchObject({ starttls: "postgres", outcome: "completed" })
    }
  })

  test("openssl s_client speaks PostgreSQL up to TLS", async () => {
    const verify = ["-verify_return_error", "-verify_hostname", USERS, "-CAfile", authority]
    const closed = served.closed({ serverName: USERS })
    const args = [
      "s_client",
      "-connect",
      `127.0.0.1:${served.port}`,
      "-starttls",
      "postgres",
      "-servername",
      USERS,
      ...verify,
    ]
    expect(await run("openssl", args)).toMatchObject({ stdout: expect.stringMatching(/Verify return code: 0 \(ok\)/) })
    expect(await closed).toMatchObject({ starttls: "postgres", outcome: "completed" })
  })

  test.skipIf(noJava !== undefined)(titled("JDBC comes to the server that it names", noJava), async () => {
    const program = join(dir, "Name.java")
    writeFileSync(
      program,
      `public class Name { public static void main(String[] args) throws Exception {
        try (var connection = java.sql.DriverManager.getConnection(args[0], "joe", "secret");
             var rows = connection.createStatement().executeQuery("select current_setting('cluster_name')")) {
          rows.next(); System.out.println(rows.getString(1)); } } }`,
    )
    for (const name of [ORDERS, USERS]) {
      const url = `jdbc:postgresql://${name}:${served.port}/postgres?sslmode=verify-full&sslrootcert=${authority}`
      const closed = served.closed({ serverName: name })
      const ran = await run("java", ["-Xmx256m", "-cp", JDBC, program, url], { names: [ORDERS, USERS] })
      expect(ran).toMatchObject({ code: 0, stdout: `${name}\n` })
      expect(await closed).toMatchObject({ starttls: "postgres", outcome: "completed" })
    }
  })

  test("each of these sessions, however its client took its leave, is recorded as completed", async () => {
    await expect.poll(() => served.gateway.connections.size).toBe(0)
    expect(sessions.length).toBeGreaterThan(30)
    expect(sessions.filter(({ outcome }) => outcome !== "completed")).toEqual([])
  })

  test("a server without TLS is passed over, and left out", async () => {
    const { port, gateway } = await serveNames(
      { [ORDERS]: [ports.plain, ports.orders] },
      { starttls: "postgres", ejectAfter: 1, panicThreshold: 0, loadBalancing: "round-robin" },
    )
    const records: ConnectionRecord[] = []
    gateway.on("close", (record) => records.push(record))
    for (let count = 0; count < 6; count++) {
      expect(await psql(at(ORDERS, "sslmode=verify-full", port), "select 1")).toMatchObject({ code: 0 })
    }
    expect(records.map(({ dialAttempts }) => dialAttempts).filter((attempts) => attempts > 1)).toEqual([2])
  })

  test("health checks speak PostgreSQL: a server without TLS is unhealthy, one with TLS is not", async () => {
    const { gateway } = await serveNames(
      { [ORDERS]: [ports.plain, ports.orders] },
      { starttls: "postgres", healthCheck: "tls", healthCheckInterval: 100, unhealthyThreshold: 2 },
    )
    const changes: unknown[] = []
    gateway.on("health", (change) => changes.push(change))
    const [change] = await once(gateway, "health")
    expect(change).toMatchObject({ endpoint: { port: ports.plain }, healthy: false, reason: "STARTTLS_REFUSED" })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(changes).toHaveLength(1)
  })
})
