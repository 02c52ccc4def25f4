# Read by the other scripts here. They want a POSIX shell, and run in the folder with clusters/.
# GHADEPLOY is the program, OUT the folder of results.

GHADEPLOY=${GHADEPLOY:-ghadeploy}
OUT=${OUT:-out}

# cluster_file NAME: the inventory, or an end with exit code 3. A name comes from a file of the
# repository or from a form: it becomes no path and no option.
cluster_file() {
  case $1 in
  '' | *[!A-Za-z0-9._-]* | [.-]*) echo "$0: \"$1\" is no name of a cluster" >&2; exit 3 ;;
  esac
  [ -f "clusters/$1.yaml" ] || { echo "$0: there is no clusters/$1.yaml" >&2; exit 3; }
  echo "clusters/$1.yaml"
}

# meaning CODE: the exit code in words.
meaning() {
  case $1 in
  0) echo "done" ;;
  2) echo "paused: a person is asked" ;;
  3) echo "invalid inventory or usage" ;;
  4) echo "a host cannot be reached" ;;
  5) echo "a gate failed" ;;
  6) echo "locked or frozen" ;;
  7) echo "a check failed, or something would be lost" ;;
  130) echo "interrupted" ;;
  *) echo "failed" ;;
  esac
}

# junit FILE STEP NAME CODE SECONDS LOG: one test case; of a failure the end of the log.
junit() {
  failures=1
  [ "$4" = 0 ] && failures=0
  {
    echo '<?xml version="1.0" encoding="UTF-8"?>'
    echo "<testsuite name=\"ghadeploy $2\" tests=\"1\" failures=\"$failures\" time=\"$5\">"
    echo "<testcase classname=\"ghadeploy.$2\" name=\"$3\" time=\"$5\">"
    if [ "$failures" = 1 ]; then
      echo "<failure message=\"exit code $4: $(meaning "$4")\">"
      # Escaped, and without what XML 1.0 has no place for.
      tail -n 60 "$6" | LC_ALL=C tr -d '\000-\010\013\014\016-\037' | iconv -f UTF-8 -t UTF-8 -c 2>/dev/null | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' || true
      echo '</failure>'
    fi
    echo '</testcase></testsuite>'
  } >"$1"
}
