// Package docker holds what the farm runs in elsewhere: images, and all that a
// rented machine boots from.
package docker

import (
	"bytes"
	"embed"
	"encoding/base64"
	"fmt"
	"strings"
	"text/template"
	"time"
)

//go:embed ec2
var files embed.FS

// Machine is what a rented machine is told at its boot. Nothing in it is
// secret.
type Machine struct {
	Program        string        // s3://bucket/key of the bobine it runs
	SHA256         string        // of that program, in hex: no other is started
	Config         string        // its configuration file, without passwords
	RedisParameter string        // of Parameter Store, that holds the password of Redis; "": there is none
	Region         string        // of AWS
	Life           time.Duration // it takes no more work afterwards
}

// grace is how long after its life a machine is ended whatever it does.
const grace = 2 * time.Hour

// UserData is the cloud-init file of the machine. EC2 takes at most 16 KiB.
func UserData(m Machine) (string, error) {
	for name, value := range map[string]string{"program": m.Program, "parameter": m.RedisParameter, "region": m.Region} {
		if strings.ContainsAny(value, "\n\"'`$\\ ") {
			return "", fmt.Errorf("user data: the %s %q would not survive a shell: name it in plain letters", name, value)
		}
	}
	// None begins with BOBINE_: the worker sees them too, and would take such
	// ones for settings.
	env := fmt.Sprintf("BOOT_PROGRAM=%s\nBOOT_SHA256=%s\nBOOT_LIFE=%s\nAWS_REGION=%[4]s\nAWS_DEFAULT_REGION=%[4]s\n", m.Program, m.SHA256, m.Life, m.Region)
	if m.RedisParameter != "" {
		env += "BOOT_REDIS_PARAMETER=" + m.RedisParameter + "\n"
	}
	var out bytes.Buffer
	err := userData.Execute(&out, struct{ Environment, Config, Boot, Unit, Last string }{
		env, m.Config, text("boot.sh"), text("bobine-work.service"), fmt.Sprintf("%ds", int((m.Life + grace).Seconds())),
	})
	if err != nil {
		return "", fmt.Errorf("user data: %w", err)
	}
	if out.Len() > most {
		return "", fmt.Errorf("user data: %d bytes, and EC2 takes %d: shorten the configuration", out.Len(), most)
	}
	return out.String(), nil
}

// most is EC2's bound on user data
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html).
const most = 16 << 10

var userData = template.Must(template.New("user-data").Funcs(template.FuncMap{"indent": indent}).Parse(text("user-data.yaml")))

// indent makes a text the block of a YAML literal.
func indent(s string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimRight(s, "\n") + "\n") {
		if line != "\n" {
			line = "      " + line
		}
		out.WriteString(line)
	}
	return strings.TrimRight(out.String(), "\n")
}

// Stack is the CloudFormation template of all that the farm needs at AWS but
// its buckets and its Redis: roles, security group, queue and rules of
// interruptions, and the launch template with that user data.
func Stack(userData string) string {
	return strings.Replace(text("stack.yaml"), "USER-DATA", base64.StdEncoding.EncodeToString([]byte(userData)), 1)
}

func text(name string) string {
	b, err := files.ReadFile("ec2/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}
