/**
 * How the endpoints of one target share its connections.
 *
 * `least-connections`: two endpoints drawn at random, the one with fewer live connections wins ("power of
 * two choices"). `round-robin`: each in turn. `client-hash`: the same client address keeps to the same
 * endpoint as long as it exists, and few clients move when endpoints change (Maglev).
 */
export type BalancePolicy = "least-connections" | "round-robin" | "client-hash"
