// Package rig is what the end-to-end tests are built with: Postrider's processes and containers, the Postgres servers and
// brokers they run on, clients that send, receivers that verify what arrives, loads, proxies that break connections, and
// plans of faults that account for every message.
//
// It knows Postrider by its command line, its API and its database's address, like any user, and must not import more of
// it: it declares the JSON it reads itself.
//
// Functions that take a testing.TB fail or skip that test, and clean up when it ends. Await is the one way to wait for
// something in a test, and Poll outside of one.
package rig
