import { execFile, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { parse } from "yaml"

const root = resolve(import.meta.dirname, "../../..")
const skipped = spawnSync("go", ["version"]).status === 0 ? "" : " (skipped: Go is not installed)"

test.skipIf(skipped !== "")(
  `the compose file is one that docker compose takes, by its own loader, and builds from what is there${skipped}`,
  async () => {
    const file = resolve(root, "deploy/compose.yaml")
    const { stdout } = await promisify(execFile)("go", ["run", ".", file], { cwd: import.meta.dirname })
    const { tlsroute } = parse(stdout).services
    expect(tlsroute).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      stop_grace_period: "1m15s",
      ports: [
        { target: 8443, published: "443", protocol: "tcp" },
        { target: 8443, published: "443", protocol: "udp" },
        { host_ip: "127.0.0.1", target: 9900 },
      ],
    })
    expect(existsSync(resolve(tlsroute.build.context, tlsroute.build.dockerfile))).toBe(true)
  },
)
