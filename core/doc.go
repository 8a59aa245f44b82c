// Package core is Postrider's domain: applications, endpoints, event types, messages, deliveries and attempts, the
// rules they obey, and the use cases that change them. It declares what it needs from the outside as ports, such as
// Store and Dispatcher, and depends on no adapter: it imports only the standard library, and nothing for HTTP, SQL,
// brokers, logging or configuration.
package core
