import { parseArgs } from "node:util"
import { soak } from "./soak.ts"

const help = `Usage: npm run soak -- [options]

  --seconds N  how long (60)
  --seed N     start of the random numbers: the same clients and configurations, in the same order (the clock)
  --clients N  clients at a time (48)
`

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    clients: { type: "string", default: "48" },
    gateway: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
})
const [seconds, seed, clients] = [Number(values.seconds), Number(values.seed), Number(values.clients)]
if (values.help || !(seconds > 0) || !Number.isInteger(seed) || !(clients >= 1)) {
  console.error(help)
  process.exit(values.help ? 0 : 2)
}

const failures = await soak({ seconds, seed, clients, gateway: values.gateway })
for (const failure of failures.slice(0, 20)) console.error(`FAILED: ${failure}`)
if (failures.length > 20) console.error(`and ${failures.length - 20} more`)
console.log(`${failures.length === 0 ? "sound" : `${failures.length} failures`}, seed ${seed}`)
process.exitCode = failures.length === 0 ? 0 : 1
