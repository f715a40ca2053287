/** A gateway in a process of its own, told what to do by the test that started it. */
import { closeSync, openSync, readFileSync } from "node:fs"
import type { PassthroughGatewayOptions } from "../../../src/gateway/options.ts"
import { createPassthroughGateway } from "../../../src/index.ts"
import { countDescriptors } from "../../../src/proxy/limits/descriptors.ts"
import { localPort } from "../../support/gateway.ts"
import type { ChildRequest, ChildStatus } from "./messages.ts"

const options: PassthroughGatewayOptions = JSON.parse(process.env["CHILD_OPTIONS"] ?? "{}")
const gateway = createPassthroughGateway({ ...options, address: "127.0.0.1", mapPort: () => 0 })
const outcomes: Record<string, number> = {}
const errors: string[] = []
let accepted = 0
const hoard: number[] = []

gateway.on("connection", () => {
  accepted += 1
})
gateway.on("close", ({ outcome }) => {
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
})
gateway.on("error", (error) => errors.push(error.message))

/** Kilobytes of a line of `/proc/self/status`. */
function kilobytes(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1])
}

function status(): ChildStatus {
  return {
    accepted,
    live: gateway.connections.size,
    reading: [...gateway.connections].filter(({ bytesFromClient }) => bytesFromClient > 0).length,
    outcomes,
    errors,
    descriptors: countDescriptors() ?? 0,
  }
}

const perform: Readonly<Record<ChildRequest, () => unknown>> = {
  status,
  memory() {
    globalThis.gc?.()
    return { ...process.memoryUsage(), peak: 1024 * kilobytes("VmHWM") }
  },
  exhaust() {
    try {
      for (;;) hoard.push(openSync("/dev/null", "r"))
    } catch (error) {
      return (error as NodeJS.ErrnoException).code
    }
  },
  relax() {
    for (const descriptor of hoard.splice(0)) closeSync(descriptor)
  },
}

process.on("message", ({ id, request }: { readonly id: number; readonly request: ChildRequest }) => {
  process.send?.({ id, answer: perform[request]() })
})
process.on("disconnect", () => process.exit(0))

await gateway.start()
process.send?.({ id: 0, answer: localPort(gateway) })
