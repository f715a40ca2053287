import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { beforeAll, describe, expect, test } from "vitest"
import { folder, missing, titled } from "../peers/programs.ts"
import { certificateAuthority } from "../support/certificate.ts"
import { serveNames } from "./support/gateway.ts"
import { NEEDED, postgres18, python } from "./support/installed.ts"
import { isRoot, run } from "./support/run.ts"
import { POSTGRES_BIN, postgresServer } from "./support/servers.ts"

const reason = missing(NEEDED.postgres, NEEDED.python("psycopg"), NEEDED.python("asyncpg"), "python3")
const noDebian = missing(join(POSTGRES_BIN, "postgres"))
const isGoThere = spawnSync("go", ["version"]).status === 0
const noGo = !isRoot ? "names of its own are only for root" : isGoThere ? undefined : "not installed: go"

const ORDERS = "orders.db.example"
const USERS = "users.db.example"
const CANCELLED = "57014\n"

describe.skipIf(reason !== undefined)(titled("two servers of PostgreSQL 18 behind one port", reason), () => {
  const dir = folder()
  const ca = certificateAuthority()
  const authority = join(dir, "ca.pem")
  let ports: readonly number[]
  let served: Awaited<ReturnType<typeof serveNames>>

  beforeAll(async () => {
    writeFileSync(authority, ca.cert)
    const bin = postgres18(dir)
    ports = await Promise.all([ORDERS, USERS].map((name) => postgresServer({ folder: dir, ca, name, bin })))
    served = await serveNames(behind(ports), { starttls: "postgres" })
  })

  const behind = ([orders = 0, users = 0]: readonly number[]) => ({ [ORDERS]: [orders], [USERS]: [users] })
  /** Where libpq connects to: a name, which is found at the gateway. */
  const at = (name: string, rest: string, port = served.port) =>
    `host=${name} hostaddr=127.0.0.1 port=${port} user=joe password=secret dbname=postgres sslmode=verify-full ` +
    `sslrootcert=${authority} ${rest}`
  const url = (name: string, rest = "") =>
    `postgres://joe:secret@${name}:${served.port}/postgres?sslmode=verify-full&sslrootcert=${authority}${rest}`
  const names = [ORDERS, USERS]

  describe.each(["postgres", "direct"])("libpq 18 with sslnegotiation=%s", (negotiation) => {
    test.each(names)("comes to %s by name", async (name) => {
      const closed = served.closed({ serverName: name })
      const ran = await python("database.py", ["psycopg", "name", at(name, `sslnegotiation=${negotiation}`)])
      expect(ran).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" })
      expect(await closed).toMatchObject({ starttls: "postgres", outcome: "completed", dialAttempts: 1 })
    })

    test.each(["3.0", "latest"])("cancels a query over TLS, hence by name, in protocol %s", async (version) => {
      const connection = at(USERS, `sslnegotiation=${negotiation} max_protocol_version=${version}`)
      expect(await python("database.py", ["psycopg", "cancel", connection])).toMatchObject({ stdout: CANCELLED })
    })
  })

  test("libpq 18 that begins with TLS needs no policy", async () => {
    const plain = await serveNames(behind(ports))
    const closed = plain.closed({ serverName: USERS })
    const connection = at(USERS, "sslnegotiation=direct", plain.port)
    expect(await python("database.py", ["psycopg", "name", connection])).toMatchObject({ stdout: `${USERS}\n` })
    expect(await closed).toMatchObject({ starttls: undefined, outcome: "completed" })
  })

  test.skipIf(noDebian !== undefined)(
    titled("libpq 18 that begins with TLS does not take a server before version 17, which answers no ALPN", noDebian),
    async () => {
      const port = await postgresServer({ folder: dir, ca, name: "old.db.example" })
      const old = await serveNames({ "old.db.example": [port] }, { starttls: "postgres" })
      const ran = await python("database.py", [
        "psycopg",
        "name",
        at("old.db.example", "sslnegotiation=direct", old.port),
      ])
      expect(ran.stderr).toContain("without ALPN protocol negotiation extension")
    },
  )

  test.skipIf(!isRoot)("asyncpg comes to the server that it names, and may begin with TLS", async () => {
    for (const [name, more] of [
      [ORDERS, ""],
      [USERS, ""],
      [USERS, "&sslnegotiation=direct"],
    ] as const) {
      const closed = served.closed({ serverName: name })
      const ran = await python("database.py", ["asyncpg", "name", url(name, more)], { names })
      expect(ran).toMatchObject({ code: 0, stdout: `${name}\n` })
      expect(await closed).toMatchObject({ starttls: "postgres", outcome: "completed" })
    }
  })

  describe.skipIf(noGo !== undefined)(titled("pgx", noGo), () => {
    const pgx = join(dir, "pgx")
    beforeAll(async () => {
      // Its modules are fetched the first time.
      const built = spawnSync("go", ["build", "-o", pgx, "."], { cwd: join(import.meta.dirname, "go") })
      if (built.status !== 0) throw new Error(`go build failed: ${built.stderr}`)
    }, 300_000)

    test("comes to the server that it names, and may begin with TLS", async () => {
      const urls = [url(ORDERS), url(USERS), url(USERS, "&sslnegotiation=direct")]
      expect(await run(pgx, ["name", ...urls], { names })).toEqual({
        code: 0,
        stdout: `${ORDERS}\n${USERS}\n${USERS}\n`,
        stderr: "",
      })
    })

    test("cancels a query over TLS, hence by name", async () => {
      expect(await run(pgx, ["cancel", url(USERS)], { names })).toMatchObject({ code: 0, stdout: CANCELLED })
    })
  })
})
