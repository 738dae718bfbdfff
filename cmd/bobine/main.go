// Command bobine is the whole encoding farm: its controller, its workers and
// the tool of those who run it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"bobine/configs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends us at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// app is what every verb needs.
type app struct {
	in       io.Reader
	out, err io.Writer
	data     string // --data
	config   string // --config
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{in: in, out: out, err: errs}
	began := false // before, only the command line can be wrong
	root := a.root()
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if !began {
		err = usage("%w; see: %s --help", err, cmd.CommandPath())
	}
	for _, line := range messages(err) {
		fmt.Fprintf(errs, "bobine: %s\n", line)
	}
	return exitCode(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bobine",
		Short: "Turn films into web renditions",
		Long:  "bobine encodes films into HLS and DASH renditions on a farm of workers.",
		Example: `  bobine demo                       see it work
  bobine up                         run the farm on this machine
  bobine submit film.mov --wait     have a film encoded`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().StringVar(&a.data, "data", "", "folder of the farm's state (default ./bobine-data)")
	root.PersistentFlags().StringVar(&a.config, "config", "", "configuration file (default none: all as shipped)")
	root.SetUsageTemplate(strings.TrimRight(root.UsageTemplate(), "\n") + "\n\nExit status: " + exitHelp + "\n")
	root.AddCommand(a.upCommand(), a.workCommand(), a.demoCommand(), a.submitCommand(),
		a.jobCommand(), a.partnerCommand(), a.dropCommand(), a.webhookCommand(), a.fleetCommand(), a.costCommand(), a.janitorCommand(),
		a.validateCommand(), a.verifyCommand(), a.restoreCommand(), a.recoverCommand(), a.storageCommand(), a.configCommand(), a.doctorCommand(), a.simulateCommand(), a.versionCommand())
	return root
}

// settings are the farm's, with what the command line says on top.
func (a *app) settings() (configs.Config, error) {
	c, err := configs.Load(a.config, os.Environ())
	if err != nil {
		return c, exit(exitUsage, err)
	}
	if a.data != "" {
		c.Data = a.data
	}
	return c, nil
}
