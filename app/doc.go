// Package app is the command line and the wiring. It reads the settings, starts the parts that a command needs in the
// order of their dependencies, and stops them in reverse. It is the only package that knows all others, and contains no
// rules of the product.
package app
