-- Three questions to the lake, in SQL that DuckDB, ClickHouse and Spark read alike. events, processes and
-- snapshots are views of its directories. Days are those of UTC, by which the files are divided.

-- Who sent SIGTERM to any of my workers last night? From 18:00 to 06:00: date -d '2026-11-24 18:00Z' +%s
select sender, sender_kind, count(*) as signals, count(distinct host) as hosts,
       count(distinct recording) as workers, min(time_ns) as first_ns, max(time_ns) as last_ns
from events
where signal = 'SIGTERM' and date between '2026-11-24' and '2026-11-25'
  and time_ns >= 1795543200000000000 and time_ns < 1795586400000000000
group by sender, sender_kind
order by signals desc, sender;

-- Which programs are OOM-killed most?
select program, count(*) as kills, count(distinct host) as hosts
from processes
where cause = 'oom'
group by program
order by kills desc, program
limit 10;

-- How long does it take from SIGTERM to the end (99 of 100), by program, and how many never got there:
-- killed, or still there when they were last looked at?
with asked as (
    select program, case when cause in ('SIGKILL', 'oom', 'unknown') then 0 else 1 end as got_there,
           sigterm_to_end_ns as took_ns
    from processes
    where first_sigterm_ns is not null
    union all
    select program, 0 as got_there, 0 as took_ns
    from snapshots
    where first_sigterm_ns is not null and recording not in (select recording from processes)
    group by program, recording
), placed as (
    select program, got_there, took_ns,
           row_number() over (partition by program, got_there order by took_ns) as place,
           count(*) over (partition by program, got_there) as of_these
    from asked
)
select program, count(*) as asked_to_end, sum(1 - got_there) as never_got_there,
       min(case when got_there = 1 and place * 100 >= of_these * 99 then took_ns end) as p99_ns
from placed
group by program
order by program;
