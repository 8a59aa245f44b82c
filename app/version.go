package app

import (
	"fmt"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// release is set by the linker in release builds: -ldflags "-X .../app.release=v1.2.3".
var release string

// Version returns the release, or the version that the Go toolchain recorded in the binary.
func Version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}

func userAgent() string { return "Postrider/" + Version() }

type versionCommand struct{}

func (versionCommand) Run(con console) error {
	con.printf("%s\n", versionLine())
	return nil
}

func versionLine() string { return "postrider " + Version() }

// versionFlag is --version, which does the same as the version command.
type versionFlag bool

// BeforeReset runs before the settings are validated: the version is printed whatever they are.
func (versionFlag) BeforeReset(k *kong.Kong) error {
	fmt.Fprintln(k.Stdout, versionLine())
	k.Exit(exitOK)
	return nil
}
