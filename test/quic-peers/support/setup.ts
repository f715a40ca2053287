import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { PEER } from "./peer.ts"

/** Builds the Go program that stands for clients and servers. Its modules are fetched the first time. */
export default function setup(): void {
  execFileSync("go", ["build", "-o", PEER, "."], { cwd: join(import.meta.dirname, "../go"), stdio: "inherit" })
}
