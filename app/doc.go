// Package app is the command line and the wiring: it reads the settings, starts the parts a command
// asks for in the order they need each other, and stops them in the reverse. It is the only package
// that knows all others, and holds no rule of what Postrider is about.
package app
