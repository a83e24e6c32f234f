{#- The condition is true of every row; unknown (null) passes. The name says what it claims. -#}
{% test holds(model, condition) %}

select *
from {{ model }}
where not ({{ condition }})

{% endtest %}
