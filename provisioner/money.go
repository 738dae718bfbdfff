package provisioner

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Money is an amount in millionths of a US dollar, or as much an hour where a
// name says rate or price.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1e6

// Dollars is an amount given as a number.
func Dollars(x float64) Money { return Money(math.Round(x * float64(Dollar))) }

// ParseMoney reads "12", "0.034" or "$12.50". Nothing finer than a millionth
// of a dollar, and nothing negative.
func ParseMoney(s string) (Money, error) {
	x, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(s), "$"), 64)
	if err != nil || x < 0 || x > 1e12 || math.IsNaN(x) {
		return 0, fmt.Errorf("%q is no amount of dollars, such as 12.50", s)
	}
	return Dollars(x), nil
}

// Float is the amount in dollars.
func (m Money) Float() float64 { return float64(m) / float64(Dollar) }

// String is the amount in dollars and cents, or finer below ten cents.
func (m Money) String() string {
	switch x := m.Float(); {
	case m < 0:
		return "-" + (-m).String()
	case m != 0 && x < 0.1:
		return fmt.Sprintf("$%.4f", x)
	default:
		return fmt.Sprintf("$%.2f", x)
	}
}

// For is what a price per hour comes to in so long, not less than nothing.
func (m Money) For(d time.Duration) Money {
	return Money(math.Round(float64(m) * max(0, d.Hours())))
}

// MinBilled is the least that EC2 bills of a Linux instance
// (https://aws.amazon.com/ec2/pricing/on-demand/: per second, 60 s at least).
const MinBilled = time.Minute
