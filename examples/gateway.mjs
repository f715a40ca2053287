// A gateway in a program of one's own.
//
//   node examples/gateway.mjs examples/reference 8000
//
// Serves the manifests in a file or directory, follows their changes, and tells what happens.
import { createPassthroughGateway, fileSource } from "tlsroute"

const [path = "examples/reference", localPort] = process.argv.slice(2)

const gateway = createPassthroughGateway({
  source: fileSource(path),
  address: "127.0.0.1",
  // Every port as the Gateways say, unless another one is asked for; 0 lets the system choose.
  mapPort: (port) => Number(localPort ?? port),
  // Which backendRefs may be DNS names rather than Services.
  externalBackends: ["httpbin.org"],
})

gateway.on("config", ({ problems }) => {
  for (const { severity, object, path, message } of problems) {
    console.log(`${severity}: ${object?.kind} ${object?.name} ${path}: ${message}`)
  }
})
gateway.on("close", ({ serverName, route, outcome, detail }) => {
  console.log(
    `${serverName ?? "no name"} → ${route ?? "no route"}: ${outcome}${detail === undefined ? "" : `, ${detail}`}`,
  )
})
gateway.on("error", (error) => console.error(error.message))

await gateway.start()
for (const state of gateway.addresses()) {
  if (state.bound) console.log(`listening on ${state.address}:${state.port}`)
}

process.once("SIGINT", () => gateway.close({ drainTimeout: 10_000 }))
