/**
 * @typedef {object} Metric One column of the table.
 * @property {string} id
 * @property {string} title
 * @property {string} unit
 * @property {"more" | "less"} better
 * @property {number} digits decimals to print
 *
 * @typedef {object} LoadMeasure One run of the load generator.
 * @property {string} id
 * @property {"source" | "sink" | "echo"} backend
 * @property {string} mode of the load generator
 * @property {number} connections
 * @property {boolean} [main] whether it is done for every proxy, and not for those alone that are compared in all
 * @property {boolean} [warmsUp] whether it is done once before the rounds, uncounted: programs that compile themselves as
 * they run have to have run
 * @property {number} [rounds] most rounds in which it is done: it takes long, or differs little
 * @property {boolean} [fresh] whether the proxy is started anew for it
 * @property {true} [reset] whether clients close by a RST
 * @property {"source"} [bulk] backend of a download that goes on beside
 * @property {number} [load] share of a core that connections take while handshakes are measured
 * @property {"changing" | "busy"} [situation] what else goes on in the gateway
 * @property {true} [idle] whether connections lie open meanwhile
 * @property {boolean} [together] whether it is done for all proxies at once: it takes long, and no CPU time is measured
 * @property {readonly string[]} [kinds] kinds of peers that it is done for; without, all proxies
 * @property {number} [workers] workers of the gateway, on all CPUs, when that is what is measured
 * @property {(result: any) => Record<string, number>} values figure by metric id
 *
 * @typedef {object} MicroMeasure One run of a program that measures a library, without a connection.
 * @property {string} id
 * @property {string} micro program in bench/micro, which prints figures by metric id as JSON
 * @property {number} [rounds] as above
 * @property {boolean} [warmsUp] as above
 *
 * @typedef {LoadMeasure | MicroMeasure} Measure
 *
 * @typedef {object} Group Measures that are done in one sitting, each for all its proxies: a ratio never spans two.
 * @property {string} id
 * @property {number} rounds in each of which everything is measured once, unless the command line says otherwise
 * @property {number} seconds length of one measured window, unless the command line says otherwise
 * @property {readonly Measure[]} measures
 *
 * @typedef {object} Topic Metrics that are shown together.
 * @property {string} id
 * @property {string} title
 * @property {string} explanation
 * @property {readonly Metric[]} metrics
 */

/** Connections open at once while connections per second are measured. */
const churnConcurrency = 32

/** Connections held open while memory is measured, first so many, then more: as many as 20 000 descriptors can hold. */
export const idleSteps = [1000, 9000]
const [fewIdle, manyIdle] = idleSteps

/** Connections that lie open beside handshakes. */
export const idleBeside = 5000

/** Connections open while round trips are made beside a download, each in its turn. */
const besideConnections = 1000

/** How long they are held before it is read: runtimes give back what they used to open them. */
export const idleSeconds = 20

const bulkConnections = [1, 64]
const handshakeLoads = [20, 50, 80]
const scaleSizes = [10, 1000, 10_000]
const listenerCounts = [1, 100, 1000]
const lookupSizes = [10, 10_000, 1_000_000]

/** @type {Topic[]} */
export const topics = [
  bulkTopic("download", "Download", "from the backend to the client"),
  bulkTopic("upload", "Upload", "from the client to the backend"),
  {
    id: "connections",
    title: "Connections",
    explanation: `Connect, a ClientHello of 1.7 KB, one reply of the same size, close; ${churnConcurrency} at a time, as fast as they go. The client closes by a FIN, or by a RST.`,
    metrics: [
      { id: "connection-cpu", title: "CPU per connection", unit: "µs", better: "less", digits: 0 },
      { id: "connection-rate", title: "connections per second", unit: "1/s", better: "more", digits: 0 },
      { id: "reset-cpu", title: "CPU, closed by RST", unit: "µs", better: "less", digits: 0 },
      { id: "reset-rate", title: "per second, closed by RST", unit: "1/s", better: "more", digits: 0 },
    ],
  },
  {
    id: "roundtrip",
    title: "Round trip",
    explanation: "64 bytes to the backend and back through one open connection, one after the other.",
    metrics: [
      { id: "roundtrip-p50", title: "p50", unit: "µs", better: "less", digits: 1 },
      { id: "roundtrip-p99", title: "p99", unit: "µs", better: "less", digits: 1 },
      { id: "roundtrip-p999", title: "p99.9", unit: "µs", better: "less", digits: 1 },
      { id: "roundtrip-cpu", title: "CPU", unit: "µs", better: "less", digits: 1 },
    ],
  },
  {
    id: "beside",
    title: "Round trip beside a download",
    explanation: `The same through the next of ${besideConnections} open connections each time, while one download takes all that it can get.`,
    metrics: [
      { id: "beside-p50", title: "p50", unit: "µs", better: "less", digits: 0 },
      { id: "beside-p99", title: "p99", unit: "µs", better: "less", digits: 0 },
      { id: "beside-rate", title: "the download", unit: "GB/s", better: "more", digits: 2 },
    ],
  },
  {
    id: "idle",
    title: "Idle connections",
    explanation: `Resident memory of all processes of the proxy: once it has served 100 connections, and with ${fewIdle} and ${manyIdle} open ones that were silent for ${idleSeconds} s. The growth is divided by their number: from none to all, and from the first ${fewIdle} to all, which leaves out what a runtime takes once. Kernel memory is not in it.`,
    metrics: [
      { id: "idle-memory", title: "memory per connection", unit: "KiB", better: "less", digits: 1 },
      { id: "idle-memory-further", title: "per further connection", unit: "KiB", better: "less", digits: 1 },
      { id: "memory-none", title: "whole process, no connection", unit: "MiB", better: "less", digits: 0 },
      { id: "memory-few", title: `with ${fewIdle}`, unit: "MiB", better: "less", digits: 0 },
      { id: "memory-many", title: `with ${manyIdle}`, unit: "MiB", better: "less", digits: 0 },
    ],
  },
  {
    id: "handshake",
    title: "TLS handshakes",
    explanation:
      "Time from connect to the first byte of the backend's answer, with a whole TLS 1.3 handshake between (P-256, X25519), while connections as above keep the proxy busy for 20, 50 and 80 % of a core: each proxy as many of them as it takes. Client, backend and load share the other core, which is part of what is seen.",
    metrics: handshakeLoads.flatMap((load) => handshakeMetrics(`handshake-${load}`, `${load} %`)),
  },
  {
    id: "situation",
    title: "TLS handshakes meanwhile",
    explanation: `The same at 50 %: while ten of 10 000 routes change every second; while ${idleBeside} connections lie open; while the program has other work for 30 % of the time, in one thread and with two workers.`,
    metrics: [
      ...handshakeMetrics("handshake-changing", "routes change"),
      ...handshakeMetrics("handshake-idle", "idle connections"),
      ...handshakeMetrics("handshake-busy", "other work"),
      ...handshakeMetrics("handshake-busy-workers", "other work, 2 workers"),
    ],
  },
  {
    id: "workers",
    title: "Workers",
    explanation:
      "Connections as above, with one worker and with two, and every CPU for whoever wants it, load generator and backend included. Where these take as much as the gateway, two workers on two CPUs cannot carry twice as many; what a connection costs tells how they would fare on more.",
    metrics: [
      { id: "workers-1-rate", title: "one worker", unit: "1/s", better: "more", digits: 0 },
      { id: "workers-2-rate", title: "two", unit: "1/s", better: "more", digits: 0 },
      { id: "workers-1-cpu", title: "CPU per connection, one", unit: "µs", better: "less", digits: 0 },
      { id: "workers-2-cpu", title: "two", unit: "µs", better: "less", digits: 0 },
    ],
  },
  {
    id: "parser",
    title: "ClientHello parser",
    explanation:
      "CPU time to parse a ClientHello of 400 bytes, in one chunk, sixteen orders of extensions in turn. Every field: those that read-tls-client-hello decodes. sni looks for the name and checks nothing. Trickle: a hello of 64 KiB that comes a byte at a time.",
    metrics: [
      nanoseconds("hello-name", "name"),
      nanoseconds("hello-strict", "name, ALPN, versions"),
      nanoseconds("hello-full", "every field"),
      nanoseconds("hello-fingerprints", "JA3 and JA4"),
      nanoseconds("hello-trickle", "trickle, per byte"),
      { id: "hello-trickle-growth", title: "as of 8 KiB", unit: "×", better: "less", digits: 2 },
    ],
  },
  {
    id: "lookup",
    title: "Route lookup",
    explanation:
      "CPU time to find the route for a server name among so many hostnames, asked for in no order. At a million the table is far larger than the processor's caches. Beside it, the same exact names in a JavaScript Map, which knows no wildcards.",
    metrics: [
      ...lookupSizes.map((size) => nanoseconds(`lookup-${size}`, `${size} hostnames`)),
      nanoseconds("lookup-wildcard-1000000", "1000000, by wildcard"),
      nanoseconds("lookup-none-1000000", "1000000, no match"),
      nanoseconds("lookup-map-1000000", "1000000, in a Map"),
    ],
  },
  {
    id: "table",
    title: "Route table",
    explanation:
      "Time to build the table of 10 000 routes with a Service and an EndpointSlice each, best of several: all of it, and after one object changed.",
    metrics: [
      { id: "build", title: "all", unit: "ms", better: "less", digits: 0 },
      { id: "rebuild-route", title: "one route", unit: "ms", better: "less", digits: 2 },
      { id: "rebuild-slice", title: "one EndpointSlice", unit: "ms", better: "less", digits: 2 },
      { id: "table-from-data", title: "in a worker", unit: "ms", better: "less", digits: 1 },
    ],
  },
]

topics.push(
  scaleTopic("endpoints", "Endpoints behind one Service", scaleSizes, "endpoints", {
    explanation: "CPU time of a connection, its client and backend in the same process included.",
    unit: "µs",
    digits: 0,
  }),
  scaleTopic("listeners", "Listeners", listenerCounts, "listeners", {
    explanation: "CPU time from a start to so many sockets bound.",
    unit: "ms",
    digits: 0,
  }),
  scaleTopic("checks", "Health checks", scaleSizes, "endpoints", {
    explanation: "Share of a core that probes over TCP take, each endpoint every 5 s, their backend included.",
    unit: "%",
    digits: 1,
  }),
  scaleTopic("changes", "Configuration changes", scaleSizes, "routes", {
    explanation:
      "CPU time from a snapshot in which one route changed to its being in force, all else as before. A second has a thousand of these milliseconds.",
    unit: "ms",
    digits: 2,
  }),
)

/** Each fits into ten minutes, all into half an hour. @type {readonly Group[]} */
export const groups = [
  {
    id: "bulk",
    rounds: 4,
    seconds: 1,
    measures: [
      ...bulkConnections.map((connections) => bulkMeasure("download", "source", connections)),
      ...bulkConnections.map((connections) => bulkMeasure("upload", "sink", connections)),
    ],
  },
  {
    id: "connections",
    rounds: 4,
    seconds: 1,
    measures: [
      {
        id: "connections",
        main: true,
        warmsUp: true,
        backend: "echo",
        mode: "connect",
        connections: churnConcurrency,
        values: perConnection("connection"),
      },
      {
        id: "resets",
        main: true,
        backend: "echo",
        mode: "connect",
        connections: churnConcurrency,
        reset: true,
        values: perConnection("reset"),
      },
      {
        id: "roundtrip",
        main: true,
        backend: "echo",
        mode: "roundtrip",
        connections: 1,
        values: ({ p50Us, p99Us, p999Us, cpuSeconds, roundTrips }) => ({
          "roundtrip-p50": p50Us,
          "roundtrip-p99": p99Us,
          "roundtrip-p999": p999Us,
          "roundtrip-cpu": (cpuSeconds * 1e6) / roundTrips,
        }),
      },
      {
        id: "beside",
        backend: "echo",
        mode: "beside",
        bulk: "source",
        connections: besideConnections,
        values: ({ p50Us, p99Us, bytes, seconds }) => ({
          "beside-p50": p50Us,
          "beside-p99": p99Us,
          "beside-rate": bytes / 1e9 / seconds,
        }),
      },
    ],
  },
  {
    id: "handshakes",
    rounds: 3,
    seconds: 3,
    measures: [
      ...handshakeLoads.map((percent) =>
        handshakeMeasure(`handshake-${percent}`, percent, { kinds: ["gateway", "command", "native"] }),
      ),
      handshakeMeasure("handshake-changing", 50, { rounds: 2, situation: "changing", kinds: ["gateway"] }),
      handshakeMeasure("handshake-idle", 50, { rounds: 2, idle: true, kinds: ["gateway"] }),
      handshakeMeasure("handshake-busy", 50, { rounds: 2, situation: "busy", kinds: ["gateway"] }),
      handshakeMeasure("handshake-busy-workers", 50, { rounds: 2, situation: "busy", workers: 2, kinds: ["gateway"] }),
    ],
  },
  {
    id: "rest",
    rounds: 2,
    seconds: 1,
    measures: [
      ...[1, 2].map(workersMeasure),
      {
        id: "idle",
        backend: "echo",
        mode: "idle",
        connections: manyIdle,
        fresh: true,
        rounds: 1,
        together: true,
        values: ({ none, few, many }) => ({
          "idle-memory": (many - none) / manyIdle / 1024,
          "idle-memory-further": (many - few) / (manyIdle - fewIdle) / 1024,
          "memory-none": none / 2 ** 20,
          "memory-few": few / 2 ** 20,
          "memory-many": many / 2 ** 20,
        }),
      },
      { id: "parser", micro: "client-hello.mjs", rounds: 1 },
      { id: "routing", micro: "routing.mjs", rounds: 1 },
      { id: "scale", micro: "scale.mjs", rounds: 1 },
    ],
  },
]

/** All of them. */
export const measures = groups.flatMap((group) => group.measures)

/**
 * What the project holds itself to, as ratios to peers in the same run (newest Node.js, oldest Node.js). A peer that runs
 * on Node.js is compared on the same one.
 *
 * @type {readonly { metric: string, peers: readonly string[], newest: number, oldest: number }[]}
 */
export const targets = [
  ...bulkConnections.map((n) => ({
    metric: `download-${n}`,
    peers: ["haproxy", "haproxy-splice", "nginx"],
    newest: 2.5,
    oldest: 2,
  })),
  ...bulkConnections.map((n) => ({
    metric: `upload-${n}`,
    peers: ["haproxy", "haproxy-splice", "nginx"],
    newest: 1.2,
    oldest: 1.2,
  })),
  { metric: "connection-cpu", peers: ["nginx"], newest: 1.25, oldest: 1.7 },
  { metric: "connection-cpu", peers: ["envoy"], newest: 0.8, oldest: 1.05 },
  { metric: "reset-cpu", peers: ["nginx"], newest: 1.25, oldest: 1.7 },
  { metric: "reset-cpu", peers: ["envoy"], newest: 0.8, oldest: 1.05 },
  { metric: "handshake-50-p99", peers: ["nginx"], newest: 1.2, oldest: 1.2 },
  { metric: "roundtrip-p50", peers: ["nginx"], newest: 1.1, oldest: 1.1 },
  { metric: "roundtrip-p99", peers: ["nginx"], newest: 1.5, oldest: 1.5 },
  { metric: "idle-memory", peers: ["nginx"], newest: 1, oldest: 1 },
  { metric: "hello-name", peers: ["sni"], newest: 4, oldest: 4 },
  { metric: "hello-full", peers: ["read-tls-client-hello"], newest: 1 / 200, oldest: 1 / 200 },
]

/**
 * What the project holds itself to as ratios between its own figures of one run: the command's to the library's, and a
 * figure to what it is when all is quiet. `command` is what a command's id begins with.
 *
 * @type {readonly { title: string, metric: string, command?: string, against: string, to: string, most: number }[]}
 */
export const ownTargets = [
  {
    title: "Connections, CPU of `tlsroute run`",
    metric: "connection-cpu",
    command: "tlsroute-run",
    against: "the library",
    to: "connection-cpu",
    most: 1.1,
  },
  {
    title: "Connections, CPU of `tlsroute controller`",
    metric: "connection-cpu",
    command: "tlsroute-controller",
    against: "the library",
    to: "connection-cpu",
    most: 1.1,
  },
  {
    title: "TLS handshakes, p99 while routes change",
    metric: "handshake-changing-p99",
    against: "no change",
    to: "handshake-50-p99",
    most: 1.2,
  },
]

/**
 * What the project holds itself to whatever others do. These hold for a machine that is not busy with other work.
 *
 * @type {readonly { metric: string, most: number }[]}
 */
export const limits = [
  { metric: "idle-memory", most: 8 },
  { metric: "hello-strict", most: 1000 },
  { metric: "hello-full", most: 3000 },
  ...lookupSizes.map((size) => ({ metric: `lookup-${size}`, most: 300 })),
  { metric: "build", most: 300 },
]

/**
 * @param {string} id
 * @returns {Metric}
 */
export function metricOf(id) {
  for (const topic of topics) {
    const metric = topic.metrics.find((candidate) => candidate.id === id)
    if (metric) return metric
  }
  throw new Error(`no metric ${id}`)
}

/**
 * What a connection costs, and how many there are in a second.
 *
 * @param {string} prefix of the metrics
 * @returns {LoadMeasure["values"]}
 */
function perConnection(prefix) {
  return ({ cpuSeconds, connections, seconds }) => ({
    [`${prefix}-cpu`]: (cpuSeconds * 1e6) / connections,
    [`${prefix}-rate`]: connections / seconds,
  })
}

/**
 * @param {string} id
 * @param {string} title
 * @param {readonly number[]} counts
 * @param {string} noun
 * @param {{ explanation: string, unit: string, digits: number }} figure
 * @returns {Topic}
 */
function scaleTopic(id, title, counts, noun, { explanation, unit, digits }) {
  return {
    id: `scale-${id}`,
    title,
    explanation,
    metrics: counts.map((count) => ({
      id: `scale-${id}-${count}`,
      title: count === 1 ? `1 ${noun.slice(0, -1)}` : `${count} ${noun}`,
      unit,
      better: "less",
      digits,
    })),
  }
}

/**
 * @param {string} id
 * @param {string} title
 * @returns {Metric[]}
 */
function handshakeMetrics(id, title) {
  return ["p50", "p99"].map((quantile) => ({
    id: `${id}-${quantile}`,
    title: `${title}, ${quantile}`,
    unit: "ms",
    better: "less",
    digits: 2,
  }))
}

/**
 * @param {string} id
 * @param {number} percent of a core
 * @param {Partial<LoadMeasure>} more
 * @returns {LoadMeasure}
 */
function handshakeMeasure(id, percent, more) {
  return {
    id,
    backend: "echo",
    mode: "handshake",
    connections: 0,
    load: percent / 100,
    values: ({ p50Us, p99Us }) => ({ [`${id}-p50`]: p50Us / 1000, [`${id}-p99`]: p99Us / 1000 }),
    ...more,
  }
}

/**
 * @param {number} workers
 * @returns {LoadMeasure}
 */
function workersMeasure(workers) {
  return {
    id: `workers-${workers}`,
    backend: "echo",
    mode: "connect",
    connections: 2 * churnConcurrency,
    fresh: true,
    kinds: ["gateway"],
    workers,
    values: perConnection(`workers-${workers}`),
  }
}

/**
 * @param {string} id
 * @param {string} title
 * @returns {Metric}
 */
function nanoseconds(id, title) {
  return { id, title, unit: "ns", better: "less", digits: 0 }
}

/**
 * @param {string} id
 * @param {string} title
 * @param {string} direction
 * @returns {Topic}
 */
function bulkTopic(id, title, direction) {
  return {
    id,
    title,
    explanation: `Bytes carried ${direction} per second of the proxy's CPU time, as fast as they go.`,
    metrics: bulkConnections.map((n) => ({
      id: `${id}-${n}`,
      title: n === 1 ? "1 connection" : `${n} connections`,
      unit: "GB/CPU-s",
      better: "more",
      digits: 2,
    })),
  }
}

/**
 * @param {"download" | "upload"} mode
 * @param {"source" | "sink"} backend
 * @param {number} connections
 * @returns {LoadMeasure}
 */
function bulkMeasure(mode, backend, connections) {
  const id = `${mode}-${connections}`
  return {
    id,
    backend,
    mode,
    connections,
    main: connections > 1,
    warmsUp: connections > 1,
    values: ({ bytes, cpuSeconds }) => ({ [id]: bytes / 1e9 / cpuSeconds }),
  }
}
