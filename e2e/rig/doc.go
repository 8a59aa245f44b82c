// Package rig provides the building blocks of the end-to-end tests: Postrider's processes and containers, the
// Postgres servers and brokers they run on, clients that send, receivers that verify every webhook, loads, proxies
// that break connections, and fault plans that account for every message.
//
// It knows Postrider by its command line, its API and its database URL, like any user, and must not import more of
// it: it declares the JSON it reads itself.
//
// Functions that take a testing.TB fail or skip that test and clean up when it ends. Await is the only way to wait
// for something in a test; code without a test uses poll.
package rig
