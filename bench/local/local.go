// Package local runs what the benchmarks measure as processes of their own on this
// machine: the gateway, as the working tree has it.
package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/driftgraph/driftgraph/bench/probe"
)

// probed is a file that is compiled into the gateway for the benchmark alone:
// it opens the probe, which does nothing unless the environment asks for it.
const probed = `package main

import "github.com/driftgraph/driftgraph/bench/probe"

func init() { probe.Serve() }
`

// Root returns the folder of this module.
func Root(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}

// Build compiles the gateway of the module at root into dir.
func Build(ctx context.Context, root, dir string) (binary string, err error) {
	file, overlay := filepath.Join(dir, "probed.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "probed.go"): file,
	}})
	if err == nil {
		err = errors.Join(os.WriteFile(file, []byte(probed), 0o600), os.WriteFile(overlay, replace, 0o600))
	}
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "driftgraph")
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, "-o", binary, "github.com/driftgraph/driftgraph")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// A Process answers queries at URL.
type Process struct {
	URL   string
	Probe *probe.Client

	command *exec.Cmd
}

// address is how a process says on its output where it listens.
var address = regexp.MustCompile(`http://\S+/graphql`)

// Start runs a program and returns once it says where it listens. Of our own
// environment it is given the PATH alone, so that no setting slips in.
func Start(ctx context.Context, dir, program string, env ...string) (*Process, error) {
	socket, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return nil, err
	}
	socket.Close()
	if err := os.Remove(socket.Name()); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LISTEN_ADDR=127.0.0.1:0", "LOG_LEVEL=warn", probe.Socket + "=" + socket.Name()}, env...)
	cmd.Stderr = os.Stderr
	found, err := await(cmd, address)
	if err != nil {
		return nil, err
	}
	return &Process{URL: found, Probe: probe.Dial(socket.Name()), command: cmd}, nil
}

// await starts cmd and returns the first match in what it prints.
func await(cmd *exec.Cmd, pattern *regexp.Regexp) (string, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := pattern.FindString(lines.Text()); found != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return found, nil
		}
	}
	_ = cmd.Process.Kill()
	return "", fmt.Errorf("%s did not start: %w", filepath.Base(cmd.Path), cmd.Wait())
}

// Stop asks the process to end, and waits until it has.
func (p *Process) Stop() {
	p.Probe.Close()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	_ = p.command.Wait()
}

// Keeping is the environment of a gateway that keeps every kind of record for
// so long.
func Keeping(ttl time.Duration) []string {
	var env []string
	for _, kind := range []string{
		"CONTACT", "USER", "CONVERSATION", "CONVERSATION_LIST", "CONVERSATION_STATS", "CONVERSATION_REPORT", "MESSAGE",
		"ACCOUNT", "TEAM", "PLAYBOOK", "MEETING", "CONTACT_ATTRIBUTE", "VIEWER",
	} {
		env = append(env, "CACHE_TTL_"+kind+"="+ttl.String())
	}
	return env
}
