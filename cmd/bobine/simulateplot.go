package main

import (
	"bytes"
	"fmt"
	"image/color"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"bobine/provisioner/sim"
)

// curve is one line of a picture.
type curve struct {
	name   string
	values []float64
	colour color.Color
}

var (
	blue   = color.RGBA{0x1f, 0x77, 0xb4, 0xff}
	orange = color.RGBA{0xe0, 0x6c, 0x00, 0xff}
	grey   = color.RGBA{0x66, 0x66, 0x66, 0xff}
	hues   = []color.Color{blue, orange, color.RGBA{0x2c, 0xa0, 0x2c, 0xff}, color.RGBA{0xd6, 0x27, 0x28, 0xff}, color.RGBA{0x94, 0x67, 0xbd, 0xff},
		color.RGBA{0x8c, 0x56, 0x4b, 0xff}, color.RGBA{0xe3, 0x77, 0xc2, 0xff}, color.RGBA{0x7f, 0x7f, 0x7f, 0xff}, color.RGBA{0xbc, 0xbd, 0x22, 0xff}, color.RGBA{0x17, 0xbe, 0xcf, 0xff}}
)

// plotTrial draws the first run: the machines and the backlog of the first
// policy, and what each policy has cost beside the least anybody could pay.
func plotTrial(o simulation, outcomes map[string][]sim.Outcome) error {
	first := outcomes[o.policies[0]][0].Chart
	if first == nil {
		return fmt.Errorf("--plot %s: nothing arrived, so there is nothing to draw", o.plot)
	}
	costs := []curve{{"the least", first.Bound, grey}}
	for i, name := range o.policies {
		if c := outcomes[name][0].Chart; c != nil {
			costs = append(costs, curve{name, c.Paid, hues[i%len(hues)]})
		}
	}
	title := fmt.Sprintf("%s, seed %d: machines of %s", o.scenario, o.seed, o.policies[0])
	var panels [][]*plot.Plot
	for _, p := range []struct {
		title, unit string
		curves      []curve
	}{
		{title, "machines", []curve{{"spot", first.Spot, blue}, {"on demand", first.OnDemand, orange}}},
		{"work that waits or runs", "vCPU-hours", []curve{{o.policies[0], first.Backlog, blue}}},
		{"paid until then", "dollars", costs},
	} {
		panel, err := panelOf(p.title, p.unit, first.Step/86400, p.curves)
		if err != nil {
			return fmt.Errorf("--plot %s: %w", o.plot, err)
		}
		panels = append(panels, []*plot.Plot{panel})
	}
	panels[len(panels)-1][0].X.Label.Text = "days"
	canvas := vgsvg.New(9*vg.Inch, 9*vg.Inch)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: 0.15 * vg.Inch}
	for i, row := range plot.Align(panels, tiles, draw.New(canvas)) {
		panels[i][0].Draw(row[0])
	}
	var svg bytes.Buffer
	if _, err := canvas.WriteTo(&svg); err != nil {
		return fmt.Errorf("--plot %s: %w", o.plot, err)
	}
	if err := os.WriteFile(o.plot, svg.Bytes(), 0o666); err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	return nil
}

func panelOf(title, unit string, step float64, curves []curve) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Y.Label.Text, p.Y.Min = title, unit, 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for _, c := range curves {
		points := make(plotter.XYs, len(c.values))
		for i, v := range c.values {
			points[i] = plotter.XY{X: float64(i) * step, Y: v}
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		line.Color, line.Width = c.colour, vg.Points(1.2)
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	return p, nil
}
