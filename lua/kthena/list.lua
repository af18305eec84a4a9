--- Questions about lists.
local list = {}

--- Whether one of the values equals `wanted`.
function list.contains(values, wanted)
  for _, value in ipairs(values) do
    if value == wanted then
      return true
    end
  end
  return false
end

return list
