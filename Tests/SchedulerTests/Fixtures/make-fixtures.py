#!/usr/bin/env python3
"""Makes the fixtures of the scheduler's tests anew, from programs that are not ours.

calendar-cases.json    what systemd-analyze says of calendar expressions (package systemd)
zone-changes.json      when the clocks of each zone change, by zdump (package libc-bin)
zones/                 the zones' files (package tzdata)

Usage: make-fixtures.py     in this folder
"""

import json
import re
import shutil
import subprocess
from calendar import timegm
from datetime import datetime
from pathlib import Path

ZONES = [
    "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu",
    # Summer time as the standard, a change at a negative time of day, at midnight, of a whole day,
    # and changes listed up to 2087.
    "Europe/Dublin", "America/Nuuk", "America/Havana", "Pacific/Apia", "Africa/Casablanca",
]

# POSIX rules of each form, with times of day that are negative or beyond a day. None changes at New
# Year, for the C library takes the rules of the year that it is in UTC.
RULES = [
    "EST5EDT,M3.2.0,M11.1.0", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "AAA3BBB,J60/2,J300/2",
    "AAA3BBB,59/2,299/25:30", "AAA-3BBB-4:30:15,M3.4.4/50,M10.4.4/50", "AAA3BBB,M3.5.0/-2,M10.5.0/-1",
    "AAA5", "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1", "AAA-12BBB,J2/0,J364/0", "AAA0BBB,300,59",
]

EXPRESSIONS = """
minutely|hourly|daily|weekly|monthly|quarterly|semiannually|yearly|annually|bi-annually
Sat,Thu,Mon..Wed,Sat..Sun|Mon,Sun 12-*-* 2,1:23|Wed *-1|Wed..Wed,Wed *-1|Wed, 17:48
Wed..Sat,Tue 26-10-15 1:2:3|*-*-7 0:0:0|10-15|monday *-12-* 17:00|Mon,Fri *-*-3,1,2 *:30:45
12,14,13,12:20,10,30|12..14:10,20,30|mon,fri *-1/2-1,3 *:30:45|03-05 08:05:40|08:05:40|05:40
Sat,Sun 12-05 08:05:40|Sat,Sun 08:05:40|2033-03-05 05:40|05:40:23.4200004/3.1700005
2033-02..04-05|2033-03-05 05:40 UTC|2033-03-05|03-05|daily UTC|weekly Pacific/Auckland|*:2/3
*:0/15|*:7/15|*:0/7|*:*:*|*:*:0/10|*:*:5..20/5|*:*:0/0.5|*:*:1..2|*:*:1..1.5/0.1
Mon..Fri *-*-* 09..18:00/15|Mon..Fri,Sun 9:30|Sat..Sun 10..20/2:15|Tue-Thu 4:00|Fri,Mon,Wed 4:00
*-02~03|Mon *-05~07/1|*-*~1|*-*~01..03|*-02~01|*-*~7..28/7|*-*~28/9|*-04,06~2 12:00
*-02-29|Mon *-02-29|*-02-30|*-*-31|*-*-30,31 6:00|*-4-31|2028-02-29 12:00|Fri *-*-13
0..23:00|0/6:00|0/5:30|1..23/2:45:30|23:59:59|*:59:59.999999|*:59:59.9999999|0:0:0.5
*-1,4,7,10-1|*-1/3-1|*-2/3-1|*-12-25..31|*-06-01..30/7|Mon *-*-1..7 03:00|Sun *-*-8..14 3:00
Mon *-*~7/1 3:00|*-*-1/2 0:0|2027..2029-1-1|2026/2-1-1|27,29-6-6|95-1-1|69-1-1|70-1-1|2199-12-31
Mon,|MON..FRI|monday,TUESDAY..thu 8:0|Wednesday|Sunday *-*-* 00:00:00|*-*-* *:*:00|*-*-* 00:00:00
*-*|1-*|*-1 *:*|*-* 12:0|5..7-* 12:0|@1395716396|@4102444800|2027-1-1 0:0:0 UTC|*:30 UTC
09:00 Europe/Vienna|Mon 08:30 America/New_York|*-*-* 12:00 Asia/Kolkata|*:10 Asia/Kathmandu
Mon..Fri 17:00 Australia/Lord_Howe|*-*-1 00:00 Europe/Vienna|23:30 America/New_York
0:0|00:00:00|24:00|0:60|0:0:60|1:2:3:4|25:00|-1:00|1-1-1-1|13-1|0-1|*-0|*-32|1969-1-1|2501-1-1
Fri..Mon|Mon..|..Fri|Mon.Fri|Mon...Fri|Mon;Tue|Mun|Monday Tuesday|Mon, Tue|Montag|Mo|*-*~29|*-*~0
5..1:00|1..1:0|1..5/10:0|*:*:1..1|*:*:1..5/10|*-*~3..3|2026..2026-1-1|1..5/0:0|*:0/60|*:0/59|*:59/1|*:0..10/11|*:0..10/10|*:3..3|1/24:0|*:*:0/60|*:*:0/59.5
*:*:1..1.5|*:*:.5|*:*:1.|*:*:1.5.|*:*/15|*/2-1|*-*-*/2|*:1,|*:,1|*:1,,2|1..2..3:0|1/2/3:0|*:1..
10|1..5|*|**|*-|-*|*:|:5|*-*-*-*|*-*~*|*~*~*|*~1|*-*~1 0:0|*~*-1|~1|5~3|2027-2~2|2027~2-2
daily daily|daily 5:00|5:00 daily|dayly|hourly:5|@|@x|@5x|@-1|@9999999999999|99999999999:0|2147483648:0
0x5:0| daily|daily | 5:00|5:00 |5 :00|5: 00|*-*-*  5:00|Mon  5:00|Mon  *-*-*  5:00|*-*-*T05:00
"""

BASES = ["2026-01-15 10:07:30", "2026-06-30 23:59:59", "2027-12-31 12:00:00"]


def run(*arguments, zone="UTC"):
    environment = {"TZ": zone, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True)


def seconds(text):
    return timegm(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").timetuple())


def calendar_cases():
    cases = []
    expressions = [e for line in EXPRESSIONS.strip("\n").split("\n") for e in line.split("|")]
    for expression in dict.fromkeys(expressions):
        case = {"expression": expression}
        for base in BASES:
            said = run("systemd-analyze", "calendar", "--iterations=4", f"--base-time={base} UTC",
                       "--", expression)
            if said.returncode != 0:
                break
            case["normalized"] = re.search(r"Normalized form: (.*)", said.stdout)[1]
            elapses = re.findall(r"(?:elapse|#\d+): \w+ ([-\d]+ [:\d]+) UTC", said.stdout)
            case.setdefault("next", []).append(
                {"after": seconds(base), "slots": [seconds(elapse) for elapse in elapses]})
        cases.append(case)
    return cases


def changes(zone):
    """Pairs of a moment and the seconds east of UTC from then on; the first pair has no moment."""
    said = run("zdump", "-V", "-c", "1890,2501", zone).stdout
    pattern = r"^.*  \w{3} (\w{3} [ \d]\d [\d:]{8} \d{4}) UT = .* gmtoff=(-?\d+)$"
    lines = [(timegm(datetime.strptime(moment, "%b %d %H:%M:%S %Y").timetuple()), int(offset))
             for moment, offset in re.findall(pattern, said, re.MULTILINE)]
    if not lines:
        said = run("date", "+%z", zone=zone).stdout.strip()
        offset = int(said[1:3]) * 3600 + int(said[3:5]) * 60
        return [[None, -offset if said[0] == "-" else offset]]
    # Of each change, zdump prints the second before and the second itself.
    return [[None, lines[0][1]]] + [[*change] for change in lines[1::2]]


def write(name, content, made):
    rows = ",\n".join(json.dumps(row) for row in content)
    Path(name).write_text(f'{{"made": {json.dumps(made)}, "cases": [\n{rows}\n]}}\n')


def main():
    version = run("systemd-analyze", "--version").stdout.split("\n")[0]
    write("calendar-cases.json", calendar_cases(),
          f"by make-fixtures.py, with systemd-analyze calendar of {version}")
    write("zone-changes.json",
          [{"zone": zone, "changes": changes(zone)} for zone in ZONES + RULES],
          "by make-fixtures.py, with zdump")
    Path("zones").mkdir(exist_ok=True)
    for zone in ZONES:
        shutil.copyfile(f"/usr/share/zoneinfo/{zone}", f"zones/{zone.replace('/', '-')}.tzif")


if __name__ == "__main__":
    main()
