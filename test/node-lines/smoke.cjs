const { roundTrip } = require("./round-trip.cjs")

roundTrip({
  face: require("tlsroute"),
  hello: require("tlsroute/client-hello"),
  proxy: require("tlsroute/proxy"),
  routing: require("tlsroute/routing"),
  sources: require("tlsroute/sources"),
}).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
