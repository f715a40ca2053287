import { spawn } from "node:child_process"
import { createHash, X509Certificate } from "node:crypto"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { onTestFinished } from "vitest"
import { freePort } from "../../support/free-port.ts"
import { certificateFiles, folder, type GoServer, pattern } from "./peer.ts"
import { CADDY } from "./programs.ts"

/**
 * Starts Caddy on 127.0.0.2, until the test is over: a page at `/page`, and so many bytes of the name's pattern at `/bytes`.
 * It advertises HTTP/3 at its own port, by itself.
 */
export async function caddy(name: string, size: number): Promise<GoServer> {
  const [address, port, root, { cert, key, pem }] = ["127.0.0.2", await freePort(), folder(), certificateFiles(name)]
  writeFileSync(join(root, "bytes"), pattern(name, size))
  writeFileSync(join(root, "page.html"), `<!doctype html><title>${name}</title>`)
  const site = {
    listen: [`${address}:${port}`],
    automatic_https: { disable: true },
    tls_connection_policies: [{}],
    routes: [{ handle: [{ handler: "file_server", root }] }],
  }
  const config = {
    admin: { disabled: true },
    apps: {
      http: { servers: { site } },
      tls: { certificates: { load_files: [{ certificate: cert, key }] } },
    },
    logging: { logs: { default: { level: "ERROR" } } },
  }
  const file = join(root, "caddy.json")
  writeFileSync(file, JSON.stringify(config))
  const env = { ...process.env, HOME: root, XDG_DATA_HOME: root, XDG_CONFIG_HOME: root }
  const child = spawn(CADDY, ["run", "--config", file], { stdio: "inherit", env })
  onTestFinished(() => void child.kill("SIGKILL"))
  while (!(await accepts(address, port))) await sleep(50)
  const { publicKey } = new X509Certificate(pem)
  const spki = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64")
  return { name, address, port, spki }
}

async function accepts(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host)
  try {
    await once(socket, "connect")
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
