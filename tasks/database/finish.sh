hash() { if command -v sha256sum >/dev/null 2>&1; then sha256sum "$1"; else shasum -a 256 "$1"; fi; }
# Follows the making of $part: puts it in place as $final and keeps the newest.
sum=$(hash "$part"); sum=${sum%% *}
size=$(wc -c <"$part")
chmod 600 "$part"
sync "$part" 2>/dev/null || sync
mv -f "$part" "$final"
printf '%s  %s\n' "$sum" "${final##*/}" >"$final.sha256"
sync "$dir" 2>/dev/null || sync
# The names hold the time, so their order is their age.
n=0
for old in $(ls -1r "$dir" | grep -E "^$family\$" || :); do
  n=$((n+1)); [ "$n" -le "$keep" ] || rm -f "$dir/$old" "$dir/$old.sha256" "$dir/$old.counts"
done
echo "dump $((size)) $sum"
