import * as face from "tlsroute"
import * as hello from "tlsroute/client-hello"
import * as proxy from "tlsroute/proxy"
import * as routing from "tlsroute/routing"
import * as sources from "tlsroute/sources"
import { roundTrip } from "./round-trip.cjs"

await roundTrip({ face, hello, proxy, routing, sources })
