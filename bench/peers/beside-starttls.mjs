// The gateway of tlsroute.mjs with a second listener, whose clients speak PostgreSQL before TLS. The first is measured,
// which must not notice: `npm run bench -- --script bench/peers/beside-starttls.mjs --only tlsroute --only beside-starttls
// --only connections`. Takes the argument of tlsroute.mjs.
import { createPassthroughGateway } from "../../dist/index.js"
import { gatewayObjects } from "./objects.mjs"

const { port, routes } = JSON.parse(process.argv[2])
const objects = gatewayObjects({ port, routes })
const [gatewayObject] = objects.gateways
const second = { ...gatewayObject.spec.listeners[0], name: "postgres", port: port === 5432 ? 5433 : 5432 }
const gateway = createPassthroughGateway({
  address: "127.0.0.1",
  mapPort: (asked) => (asked === port ? port : 0),
  policies: { listeners: { [`${gatewayObject.metadata.namespace}/gateway/postgres`]: { starttls: "postgres" } } },
  source: {
    ...objects,
    gateways: [
      { ...gatewayObject, spec: { ...gatewayObject.spec, listeners: [...gatewayObject.spec.listeners, second] } },
    ],
  },
})

gateway.on("config", ({ problems }) => {
  if (problems.length > 0) throw new Error(`the benchmark's objects have problems: ${JSON.stringify(problems)}`)
})
await gateway.start()
