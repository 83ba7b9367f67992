package conversation

import (
	"strconv"
	"time"

	"revox-graphql/upstream/fake/dice"
)

var (
	frenchDays   = [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	spanishDays  = [7]string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"}
	germanDays   = [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"}
	frenchMonths = [12]string{
		"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
		"décembre",
	}
	spanishMonths = [12]string{
		"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
		"diciembre",
	}
	germanMonths = [12]string{
		"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember",
	}
)

// weekday returns the day of the week in words.
func (l language) weekday(at time.Time) string {
	switch l {
	case french:
		return frenchDays[at.Weekday()]
	case spanish:
		return spanishDays[at.Weekday()]
	case german:
		return germanDays[at.Weekday()]
	default:
		return at.Weekday().String()
	}
}

// date is a day of some month as it is said.
func (l language) date(at time.Time) string {
	day, month := strconv.Itoa(at.Day()), at.Month()-1
	switch l {
	case french:
		if day == "1" {
			day = "1er"
		}
		return day + " " + frenchMonths[month]
	case spanish:
		return day + " de " + spanishMonths[month]
	case german:
		return day + ". " + germanMonths[month]
	default:
		return at.Month().String() + " " + ordinal(at.Day())
	}
}

// day returns the day of an appointment in words.
func (l language) day(at time.Time) string {
	switch l {
	case french, spanish:
		return l.weekday(at) + " " + l.date(at)
	case german:
		return l.weekday(at) + ", den " + l.date(at)
	default:
		return l.weekday(at) + " the " + ordinal(at.Day())
	}
}

// born returns a date of birth in words.
func (l language) born(at time.Time) string {
	year := strconv.Itoa(at.Year())
	switch l {
	case french, german:
		return l.date(at) + " " + year
	case spanish:
		return l.date(at) + " de " + year
	default:
		return l.date(at) + ", " + year
	}
}

// clock returns the time of day as transcripts write it.
func (l language) clock(at time.Time) string {
	switch l {
	case french:
		if at.Minute() == 0 {
			return strconv.Itoa(at.Hour()) + " heures"
		}
		return strconv.Itoa(at.Hour()) + "h" + two(at.Minute())
	case spanish, german:
		if l == german && at.Minute() == 0 {
			return strconv.Itoa(at.Hour())
		}
		return strconv.Itoa(at.Hour()) + ":" + two(at.Minute())
	default:
		return strconv.Itoa((at.Hour()+11)%12+1) + ":" + two(at.Minute())
	}
}

// address returns a street and a number, in the order of the language.
func (l language) address(street string, number int) string {
	switch l {
	case french:
		return strconv.Itoa(number) + ", " + street
	case spanish:
		return street + ", " + strconv.Itoa(number)
	case german:
		return street + " " + strconv.Itoa(number)
	default:
		return strconv.Itoa(number) + " " + street
	}
}

func ordinal(n int) string {
	suffix := "th"
	if n/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// phone returns a random number that can never belong to a person: it is from a range that is reserved for fiction.
// Spain reserves no range, so Spanish speakers have a number in the United States.
func phone(d *dice.Dice, l language) string {
	switch l {
	case french: // reserved by Arcep
		return dice.Pick(d, []string{"+3319900", "+3326191", "+3335301", "+3346571", "+3353649", "+3363998"}) +
			two(d.Below(100)) + two(d.Below(100))
	case german: // reserved by the Bundesnetzagentur
		return dice.Pick(d, []string{"+493023125", "+496990009", "+494066969", "+492214710", "+498999998"}) +
			strconv.Itoa(d.Between(100, 999))
	case english:
		if d.OneIn(4) { // reserved by Ofcom
			return "+447700900" + strconv.Itoa(d.Between(100, 999))
		}
		return usNumber(d, []string{"202", "303", "312", "415", "503", "617", "713", "206", "919", "646"})
	default:
		return usNumber(d, []string{"305", "210", "787", "956", "505"})
	}
}

// usNumber returns a random one of the hundred numbers that each area of North America reserves for fiction.
func usNumber(d *dice.Dice, areas []string) string {
	return "+1" + dice.Pick(d, areas) + "55501" + two(d.Below(100))
}
