package expr

import "math"

// The constants of the algorithm: log2 of 1 and 1.5 in two parts, the polynomials of log2 and exp2, and 2/(3 ln 2), ln 2
// and 1/ln 2 in two parts each.
var (
	powerBase  = [2]float64{1, 1.5}
	powerHigh  = [2]float64{0, 5.84962487220764160156e-01}
	powerLow   = [2]float64{0, 1.35003920212974897128e-08}
	powerLog   = [6]float64{5.99999999999994648725e-01, 4.28571428578550184252e-01, 3.33333329818377432918e-01, 2.72728123808534006489e-01, 2.30660745775561754067e-01, 2.06975017800338417784e-01}
	powerExp   = [5]float64{1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05, -1.65339022054652515390e-06, 4.13813679705723846039e-08}
	powerCoef  = [3]float64{9.61796693925975554329e-01, 9.61796700954437255859e-01, -7.02846165095275826516e-09}
	powerLn2   = [3]float64{6.93147180559945286227e-01, 6.93147182464599609375e-01, -1.90465429995776804525e-09}
	powerInvLn = [3]float64{1.44269504088896338700e+00, 1.44269502162933349609e+00, 1.92596299112661746887e-08}
)

const powerOverflow = 8.0085662595372944372e-17

func highWord(f float64) int32 { return int32(math.Float64bits(f) >> 32) }

func withHighWord(f float64, high int32) float64 {
	return math.Float64frombits(math.Float64bits(f)&0xFFFFFFFF | uint64(uint32(high))<<32)
}

// truncated is a number without the lower half of its bits.
func truncated(f float64) float64 { return math.Float64frombits(math.Float64bits(f) &^ 0xFFFFFFFF) }

// power is JavaScript's **, to the last bit as V8 has it, which is the algorithm of fdlibm's __ieee754_pow (Sun
// Microsystems, 1993). It differs from IEEE 754 for a base of one and an infinite or absent exponent.
func power(x, y float64) float64 {
	switch {
	case y == 0:
		return 1
	case x != x || y != y || (x == 1 || x == -1) && math.IsInf(y, 0):
		return math.NaN()
	case math.IsInf(x, 0), math.IsInf(y, 0), x == 0, x < 0 && y != math.Trunc(y):
		return math.Pow(x, y)
	case y == 1:
		return x
	case y == -1:
		return 1 / x
	case y == 2:
		return x * x
	case y == 0.5 && x >= 0:
		return math.Sqrt(x)
	case math.Abs(x) == 1:
		if x < 0 && math.Mod(y, 2) != 0 {
			return -1
		}
		return 1
	}
	sign := 1.0
	if x < 0 && math.Mod(y, 2) != 0 {
		sign = -1
	}
	ax := math.Abs(x)
	ix, iy := highWord(ax), highWord(y)&0x7FFFFFFF
	var t1, t2 float64
	if iy > 0x41E00000 {
		switch large := highWord(y) >= 0; {
		case iy > 0x43F00000 && (ix <= 0x3FEFFFFF) != large, ix >= 0x3FF00001 && large, ix < 0x3FEFFFFF && !large:
			return sign * math.Inf(1)
		case iy > 0x43F00000, ix < 0x3FEFFFFF, ix > 0x3FF00000:
			return sign * 0
		}
		t := ax - 1
		w := (t * t) * (0.5 - t*(0.3333333333333333333333-t*0.25))
		u := powerInvLn[1] * t
		v := t*powerInvLn[2] - w*powerInvLn[0]
		t1 = truncated(u + v)
		t2 = v - (t1 - u)
	} else {
		t1, t2 = log2Parts(ax, ix)
	}
	y1 := truncated(y)
	low := float64((y-y1)*t1) + float64(y*t2)
	high := y1 * t1
	z := low + high
	j, i := highWord(z), int32(uint32(math.Float64bits(z)))
	switch {
	case j >= 0x40900000 && (j > 0x40900000 || i != 0 || low+powerOverflow > z-high):
		return sign * math.Inf(1)
	case j&0x7FFFFFFF >= 0x4090CC00 && j < 0 && (uint32(j) > 0xC090CC00 || i != 0 || low <= z-high):
		return sign * 0
	}
	return sign * exp2Parts(high, low, j)
}

// log2Parts is log2 of a positive number in two parts.
func log2Parts(ax float64, ix int32) (t1, t2 float64) {
	n := int32(0)
	if ix < 0x00100000 {
		ax *= 9007199254740992
		n -= 53
		ix = highWord(ax)
	}
	n += ix>>20 - 0x3FF
	j := ix & 0x000FFFFF
	ix = j | 0x3FF00000
	k := 0
	switch {
	case j <= 0x3988E:
	case j < 0xBB67A:
		k = 1
	default:
		n++
		ix -= 0x00100000
	}
	ax = withHighWord(ax, ix)
	u := ax - powerBase[k]
	v := 1 / (ax + powerBase[k])
	ss := u * v
	sh := truncated(ss)
	th := withHighWord(0, ((ix>>1)|0x20000000)+0x00080000+int32(k)<<18)
	tl := ax - (th - powerBase[k])
	sl := v * (float64(u-float64(sh*th)) - float64(sh*tl))
	s2 := ss * ss
	r := float64(s2*s2) * polynomial(s2, powerLog[:])
	r += float64(sl * (sh + ss))
	s2 = float64(sh * sh)
	th = truncated(3 + s2 + r)
	tl = r - ((th - 3) - s2)
	u = float64(sh * th)
	v = float64(sl*th) + float64(tl*ss)
	ph := truncated(u + v)
	pl := v - (ph - u)
	zh := float64(powerCoef[1] * ph)
	zl := float64(powerCoef[2]*ph) + float64(pl*powerCoef[0]) + powerLow[k]
	t := float64(n)
	t1 = truncated(((zh + zl) + powerHigh[k]) + t)
	return t1, zl - (((t1 - t) - powerHigh[k]) - zh)
}

// exp2Parts is 2 to the sum of two parts, of which j is the high word.
func exp2Parts(high, low float64, j int32) float64 {
	i := j & 0x7FFFFFFF
	k := i>>20 - 0x3FF
	n := int32(0)
	if i > 0x3FE00000 {
		n = j + (0x00100000 >> (k + 1))
		k = (n&0x7FFFFFFF)>>20 - 0x3FF
		t := withHighWord(0, n & ^(0x000FFFFF>>k))
		n = ((n & 0x000FFFFF) | 0x00100000) >> (20 - k)
		if j < 0 {
			n = -n
		}
		high -= t
	}
	t := truncated(low + high)
	u := float64(t * powerLn2[1])
	v := float64((low-(t-high))*powerLn2[0]) + float64(t*powerLn2[2])
	z := u + v
	w := v - (z - u)
	t = float64(z * z)
	t1 := z - float64(t*polynomial(t, powerExp[:]))
	r := float64(z*t1)/(t1-2) - (w + float64(z*w))
	z = 1 - (r - z)
	if j = highWord(z) + n<<20; j>>20 <= 0 {
		return math.Ldexp(z, int(n))
	}
	return withHighWord(z, highWord(z)+n<<20)
}

// polynomial is c[0] + c[1]x + c[2]x² …, from the highest term, rounded at every step.
func polynomial(x float64, c []float64) float64 {
	sum := c[len(c)-1]
	for i := len(c) - 2; i >= 0; i-- {
		sum = c[i] + float64(x*sum)
	}
	return sum
}
