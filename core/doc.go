// Package core holds what Postrider is about: applications, endpoints, event types, messages,
// deliveries and attempts, the rules they obey, and the use cases that change them. It states what
// it needs from the outside as ports (store.go, dispatcher.go) and knows nobody: it imports the
// standard library alone, and nothing of HTTP, SQL, brokers, logging or configuration.
package core
