package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bobine/cmd/internal/api"
)

func (a *app) partnerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "partner",
		Short: "See and steer those whose films are encoded",
		Example: `  bobine partner add arthouse --allow s3://arthouse-in/films/
  bobine partner list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.partnerAddCommand(), a.partnerListCommand(), a.partnerShowCommand(), a.partnerSetCommand(), a.rotateCommand(),
		a.partnerChangeCommand("pause", "Let nothing of a partner start; what arrives is accepted and waits", (*api.Client).PausePartner),
		a.partnerChangeCommand("resume", "End a pause", (*api.Client).ResumePartner),
		a.partnerRemoveCommand())
	return cmd
}

// termFlags are the terms as the command line gives them.
type termFlags struct {
	allow, inbox, events []string
	profile, url         string
	promise              time.Duration
	weight               float64
	ceiling              int
}

func (t *termFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&t.allow, "allow", nil, "source it may name: s3://bucket/prefix/, https://*.example.com/\nor file:///folder/ (repeatable)")
	f.StringArrayVar(&t.inbox, "inbox", nil, "place of those that is listed for what no hook told (repeatable)")
	f.StringVar(&t.profile, "profile", "", "what is made of its films (default: the configuration's)")
	f.DurationVar(&t.promise, "promise", 0, "from arrival to deadline (default: the configuration's)")
	f.Float64Var(&t.weight, "weight", 1, "its share of a busy farm beside others'")
	f.IntVar(&t.ceiling, "ceiling", 0, "tasks of it that run at once; 0: any number")
	f.StringVar(&t.url, "notify-url", "", "where it is told of its films; empty: nowhere")
	f.StringArrayVar(&t.events, "notify-event", nil, "what it is told, such as job.done (repeatable; default: all)")
}

// terms are those that the command line names: the others are absent.
func (t *termFlags) terms(f *pflag.FlagSet) api.Terms {
	return api.Terms{
		Allow: given(f, "allow", list(t.allow)), Inbox: given(f, "inbox", list(t.inbox)), Profile: given(f, "profile", t.profile),
		Promise: given(f, "promise", t.promise.Seconds()), Weight: given(f, "weight", t.weight), Ceiling: given(f, "ceiling", t.ceiling),
		NotifyURL: given(f, "notify-url", t.url), NotifyEvents: given(f, "notify-event", list(t.events)),
	}
}

func given[T any](f *pflag.FlagSet, name string, value T) *T {
	if !f.Changed(name) {
		return nil
	}
	return &value
}

// list is what a repeated flag says: once with nothing is the empty list.
func list(words []string) []string {
	if len(words) == 1 && words[0] == "" {
		return []string{}
	}
	return words
}

func (a *app) partnerAddCommand() *cobra.Command {
	var t termFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a partner; its secret is shown this once",
		Example: `  bobine partner add arthouse --allow s3://arthouse-in/films/ --promise 12h
  bobine partner add bebop --allow 'https://*.bebop.example/' --weight 2 --ceiling 8 \
    --notify-url https://bebop.example/bobine --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			s, err := farm.AddPartner(cmd.Context(), api.NewPartner{Name: args[0], Terms: t.terms(cmd.Flags())})
			if err != nil {
				return err
			}
			return a.showSecret(s, asJSON)
		},
	}
	t.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print {name, secret, hook_url} and, with --notify-url, notify_secret")
	return cmd
}

// showSecret is the one place where secrets are printed.
func (a *app) showSecret(s api.PartnerSecret, asJSON bool) error {
	if asJSON {
		return printJSON(a.out, s)
	}
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "%s%s\n", colour(a.out, faint, fmt.Sprintf("%-17s", name)), clean(value))
		}
	}
	field("partner", s.Name)
	field("hook", s.HookURL)
	field("secret", s.Secret)
	field("notify secret", s.NotifySecret)
	if s.OldUntil != nil {
		field("old valid until", clock(*s.OldUntil))
	}
	fmt.Fprintln(a.err, "hand it over on a safe way and keep it: it will not be shown again")
	return nil
}

func (a *app) partnerSetCommand() *cobra.Command {
	var t termFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change terms of a partner; what is not named stays",
		Long: `set changes the terms that are named. A repeatable one replaces all there were:
name each that is to stand, or "" for none.`,
		Example: "  bobine partner set arthouse --weight 3 --ceiling 0\n  bobine partner set arthouse --inbox \"\" --notify-url \"\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			terms := t.terms(cmd.Flags())
			if terms == (api.Terms{}) {
				return usage("nothing is to be changed: name a term, such as --weight 2")
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			before, err := farm.Partner(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p, err := farm.SetPartner(cmd.Context(), args[0], terms)
			if err != nil {
				return err
			}
			if before.NotifyURL == "" && p.NotifyURL != "" {
				fmt.Fprintf(a.err, "what it is told is signed; show the secret: bobine partner rotate-secret %s --notify%s\n", p.Name, dataFlag(a))
			}
			return a.printPartner(p, asJSON)
		},
	}
	t.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the partner as one JSON object")
	return cmd
}

func (a *app) rotateCommand() *cobra.Command {
	var keep time.Duration
	var r api.Rotation
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rotate-secret NAME",
		Short: "Make a new secret; the old one stays valid for a while",
		Example: `  bobine partner rotate-secret arthouse
  bobine partner rotate-secret arthouse --keep 0s     the old one leaked
  bobine partner rotate-secret arthouse --notify      what it is told is signed with`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keep < 0 || keep > 30*24*time.Hour {
				return usage("--keep: %s is not between 0s and 720h", keep)
			}
			farm, err := a.farm()
			if err != nil {
				return err
			}
			r.Keep = new(keep.Seconds())
			s, err := farm.RotateSecret(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			return a.showSecret(s, asJSON)
		},
	}
	cmd.Flags().DurationVar(&keep, "keep", 24*time.Hour, "how long the old one stays valid")
	cmd.Flags().BoolVar(&r.Notify, "notify", false, "the secret that signs what the partner is told, not its hook's")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print {name, secret, hook_url, old_until}, or with --notify\n{name, notify_secret, old_until}")
	return cmd
}

func (a *app) partnerChangeCommand(verb, short string, change func(*api.Client, context.Context, string) (api.Partner, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     verb + " NAME",
		Short:   short,
		Example: "  bobine partner " + verb + " arthouse",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			p, err := change(farm, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, p)
			}
			fmt.Fprintf(a.out, "%s %s\n", p.Name, map[bool]string{true: "paused", false: "goes on"}[p.Paused])
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the partner as one JSON object")
	return cmd
}

func (a *app) partnerRemoveCommand() *cobra.Command {
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a partner; what was made of its films stays",
		Long: `remove takes a partner out of the farm: its secrets end at once, and nothing
more is accepted for it. While jobs of it are unfinished it is refused.`,
		Example: "  bobine partner remove arthouse\n  bobine partner remove arthouse --force",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			if err := farm.RemovePartner(cmd.Context(), args[0], force); err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, api.Removed{Name: args[0]})
			}
			fmt.Fprintf(a.out, "%s removed\n", clean(args[0]))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also while jobs of it are unfinished: they run to their end and it is not told")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print {name}")
	return cmd
}

func (a *app) partnerListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all partners",
		Example: "  bobine partner list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			l, err := farm.Partners(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, l)
			}
			a.partners(l.Partners)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"partners": […]}`)
	return cmd
}

func (a *app) partnerShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Tell the terms of one partner",
		Example: "  bobine partner show arthouse",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			farm, err := a.farm()
			if err != nil {
				return err
			}
			p, err := farm.Partner(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printPartner(p, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the partner as one JSON object")
	return cmd
}

// partners prints a table: 18+2+6+2+7+2+8+2+10+2+6+2 columns leave 12 for the sources.
func (a *app) partners(all []api.Partner) {
	rows := [][]string{{"NAME", "WEIGHT", "CEILING", "PROMISE", "PROFILE", "STATE", "ALLOW"}}
	for _, p := range all {
		rows = append(rows, []string{fit(p.Name, 18), fmt.Sprintf("%.4g", p.Weight), anyNumber(p.Ceiling), fit(hours(p.Promise), 8),
			fit(p.Profile, 10), partnerState(p), fit(strings.Join(p.Allow, " "), 12)})
	}
	table(a.out, map[int]bool{1: true, 2: true, 3: true}, rows...)
}
