package ffmpeg

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bobine/encoder"
)

// places are the channels of ffmpeg's layouts, in their order.
var places = map[string]string{
	"mono": "FC", "stereo": "FL FR", "downmix": "DL DR", "2.1": "FL FR LFE", "3.0": "FL FR FC", "3.0(back)": "FL FR BC",
	"3.1": "FL FR FC LFE", "quad": "FL FR BL BR", "quad(side)": "FL FR SL SR", "4.0": "FL FR FC BC", "4.1": "FL FR FC LFE BC",
	"5.0": "FL FR FC BL BR", "5.0(side)": "FL FR FC SL SR", "5.1": "FL FR FC LFE BL BR", "5.1(side)": "FL FR FC LFE SL SR",
	"6.0": "FL FR FC BC SL SR", "6.1": "FL FR FC LFE BC SL SR", "6.1(back)": "FL FR FC LFE BL BR BC",
	"7.0": "FL FR FC BL BR SL SR", "7.1": "FL FR FC LFE BL BR SL SR",
	"7.1(wide)": "FL FR FC LFE BL BR FLC FRC", "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR",
}

// channels tells what each channel of a sound is. Where nobody says, six and
// more begin with 5.1 in the order of SMPTE ST 320 and WAVE, and of fewer the
// first two are left and right.
func channels(a encoder.Audio) []string {
	if p := strings.Fields(places[a.Layout]); len(p) == a.Channels {
		return p
	}
	switch {
	case a.Channels >= 6:
		return strings.Fields(places["5.1"])
	case a.Channels >= 2:
		return []string{"FL", "FR"}
	}
	return []string{"FC"}
}

// The downmix of ITU-R BS.775-3, annex 4: centre and surround 3 dB down, no
// LFE. What has no place there follows its rule, half the power to each side.
const (
	full3dB = math.Sqrt2 / 2
	full6dB = 0.5
)

var toStereo = [2]map[string]float64{
	{"FL": 1, "DL": 1, "FLC": 1, "FC": full3dB, "BL": full3dB, "SL": full3dB, "BC": full6dB},
	{"FR": 1, "DR": 1, "FRC": 1, "FC": full3dB, "BR": full3dB, "SR": full3dB, "BC": full6dB},
}

// mix is the argument of the pan filter that makes n channels of a sound:
// mono, stereo or 5.1. No sum of channels can pass full scale: all are turned
// down alike, so that dialogue keeps its place among them.
func mix(a encoder.Audio, n int) string {
	from := channels(a)
	rows := make([]map[string]float64, n)
	for i := range rows {
		switch n {
		case 1:
			rows[i] = map[string]float64{"FC": 1}
			for _, place := range from {
				if len(from) > 1 {
					rows[i][place] = (toStereo[0][place] + toStereo[1][place]) / 2
				}
			}
		case 2:
			rows[i] = toStereo[i]
		default:
			rows[i] = surroundRow(strings.Fields(places["5.1"])[i], from)
		}
	}
	if slices.Equal(from, []string{"FC"}) && n == 2 {
		rows = []map[string]float64{{"FC": 1}, {"FC": 1}}
	}
	most := 1.0
	for _, row := range rows {
		var sum float64
		for _, place := range from {
			sum += row[place]
		}
		most = max(most, sum)
	}
	arg := layouts[n]
	for i, row := range rows {
		var terms []string
		for k, place := range from {
			if row[place] > 0 {
				terms = append(terms, fmt.Sprintf("%.4f*c%d", row[place]/most, k))
			}
		}
		if len(terms) == 0 {
			terms = []string{"0*c0"}
		}
		arg += fmt.Sprintf("|c%d=%s", i, strings.Join(terms, "+"))
	}
	return arg
}

// surroundRow tells what goes into one channel of 5.1.
func surroundRow(place string, from []string) map[string]float64 {
	row := map[string]float64{place: 1}
	both := slices.Contains(from, "BL") && slices.Contains(from, "SL")
	switch place {
	case "BL", "BR":
		side := "S" + place[1:]
		row[side], row["BC"] = 1, full3dB
		if both {
			row[place], row[side] = full3dB, full3dB
		}
	case "FL":
		row["FLC"], row["DL"] = full3dB, 1
	case "FR":
		row["FRC"], row["DR"] = full3dB, 1
	}
	return row
}

var layouts = map[int]string{1: "mono", 2: "stereo", 6: "5.1"}
